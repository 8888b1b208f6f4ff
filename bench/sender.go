package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// order is what a sender is told to do.
type order struct {
	Address string
	Targets []target // events go to them in turn
	Senders int
	Events  int
	First   int // number of the first member, so that no two orders send the same
	Warmup  int // events that are sent before and not counted
}

type target struct{ Path, Secret string }

// told is how it went.
type told struct {
	Seconds  float64
	P50, P99 float64 // milliseconds
	Failed   int
	Refusal  string // one of those that failed
}

// sender is the child that sends webhooks. It renders and signs them first, says so, waits for a line, and
// sends them over kept connections, each sender the next one as soon as its last was answered.
func sender(in io.Reader, out io.Writer) error {
	var o order
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return err
		}
		requests, err := prepare(o)
		if err != nil {
			return err
		}
		conns := make([]net.Conn, o.Senders)
		for i := range conns {
			if conns[i], err = net.Dial("tcp", o.Address); err != nil {
				return err
			}
		}
		if result := send(conns, requests[:o.Warmup]); result.Failed > 0 {
			return fmt.Errorf("warm-up: %d deliveries failed: %s", result.Failed, result.Refusal)
		}
		fmt.Fprintln(out, "ready")
		if !lines.Scan() {
			return errors.New("nobody said go")
		}
		result := send(conns, requests[o.Warmup:])
		for _, c := range conns {
			_ = c.Close()
		}
		answer, err := json.Marshal(result)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, string(answer))
	}
	return lines.Err()
}

// lead is how many members arrive before the first subscription, so that each finds its member there.
const lead = 600

// prepare renders whole HTTP requests: a member and a subscription of an earlier member in turn.
func prepare(o order) ([][]byte, error) {
	s, err := newShapes()
	if err != nil {
		return nil, err
	}
	now := time.Now().Unix()
	requests := make([][]byte, 0, o.Events+o.Warmup)
	member, subscription := o.First, o.First
	for n := range o.Events + o.Warmup {
		var object, body bytes.Buffer
		kind := "customer.created"
		number := member
		if member-subscription > lead*len(o.Targets) && n%2 == 0 {
			kind, number = "customer.subscription.created", subscription
			subscription++
			s.subscription.render(&object, number, 0, now)
		} else {
			member++
			s.customer.render(&object, number, 0, now)
		}
		to := o.Targets[number%len(o.Targets)]
		fmt.Fprintf(&body, `{
  "id": "evt_1BENCH%s%d",
  "object": "event",
  "api_version": "2026-08-26.dahlia",
  "created": %d,
  "data": {
    "object": %s
  },
  "livemode": false,
  "pending_webhooks": 1,
  "request": {
    "id": "req_%d",
    "idempotency_key": "00000000-0000-4000-8000-%012d"
  },
  "type": %q
}`, padded(nil, number), n&1, now, object.Bytes(), n, n, kind)
		mac := hmac.New(sha256.New, []byte(to.Secret))
		stamp := strconv.FormatInt(now, 10)
		_, _ = mac.Write([]byte(stamp + "."))
		_, _ = mac.Write(body.Bytes())
		request := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\nStripe-Signature: t=%s,v1=%s\r\n\r\n",
			to.Path, body.Len(), stamp, hex.EncodeToString(mac.Sum(nil)))
		requests = append(requests, append(request, body.Bytes()...))
	}
	return requests, nil
}

func send(conns []net.Conn, requests [][]byte) told {
	var next atomic.Int64
	var mu sync.Mutex
	var all []time.Duration
	var result told
	var group sync.WaitGroup
	start := time.Now()
	for _, conn := range conns {
		group.Go(func() {
			var took []time.Duration
			failed, refusal := 0, ""
			answers := bufio.NewReader(conn)
			for {
				i := int(next.Add(1)) - 1
				if i >= len(requests) {
					break
				}
				began := time.Now()
				if err := deliver(conn, answers, requests[i]); err != nil {
					failed, refusal = failed+1, err.Error()
				}
				took = append(took, time.Since(began))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			result.Failed += failed
			if refusal != "" {
				result.Refusal = refusal
			}
		})
	}
	group.Wait()
	result.Seconds = time.Since(start).Seconds()
	slices.Sort(all)
	if len(all) > 0 {
		result.P50 = all[len(all)/2].Seconds() * 1000
		result.P99 = all[len(all)*99/100].Seconds() * 1000
	}
	return result
}

// deliver sends one request and reads the answer, whose body is empty or of a told length.
func deliver(conn net.Conn, answers *bufio.Reader, request []byte) error {
	if _, err := conn.Write(request); err != nil {
		return err
	}
	status, err := answers.ReadSlice('\n')
	if err != nil {
		return err
	}
	ok := bytes.HasPrefix(status, []byte("HTTP/1.1 200"))
	said := string(status)
	if ok {
		said = ""
	}
	length := 0
	for {
		line, err := answers.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		if value, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		}
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(answers, body); err != nil || ok {
		return err
	}
	return fmt.Errorf("%s%s", said, body)
}
