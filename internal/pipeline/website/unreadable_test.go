package website

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/sim/claude"
)

// A result that nobody can read holds up neither the others of its batch nor anything else: it is asked for now and then, paid for
// in full at last, and told.
func TestAResultThatCannotBeReadIsGivenUp(t *testing.T) {
	c := newCounter(t, 3)
	c.sim.Fault(claude.Fault{Kind: claude.Unreadable})
	c.putAll()
	c.step()
	c.pass(2 * pollAll)
	c.step()
	if got := c.takeAll(); len(got) != 2 || got[0].Outcome != outcomeSucceeded || got[1].Outcome != outcomeSucceeded {
		t.Errorf("the answers that can be read: %+v", got)
	}
	c.calls("1 reserved, 2 settled")
	before := c.sim.requests.Load()
	for range 28 {
		c.pass(time.Hour)
		c.step()
	}
	c.calls("1 reserved, 2 settled")
	if n := c.sim.requests.Load() - before; n > 2*28 {
		t.Errorf("Claude was asked %d times in 28 hours for what cannot be read", n)
	}
	c.pass(3 * time.Hour)
	c.step()
	c.calls("2 settled, 1 unknown")
	c.closed()
	if got := c.takeAll(); len(got) != 1 || got[0].Outcome != outcomeMissing {
		t.Errorf("the pipeline hears %+v", got)
	}
	if n := c.text(`SELECT count(*)::text FROM llm_batch WHERE status = 'collected'`); n != "1" {
		t.Errorf("%s batches are closed", n)
	}
	told := false
	err := c.db.ServiceTx(t.Context(), func(tx *postgres.ServiceTx) error {
		alarms, err := guard.RaiseAlarms(t.Context(), tx)
		for _, a := range alarms {
			told = told || a.Kind == "unanswered" && strings.HasPrefix(a.Detail, "1 question")
		}
		return err
	})
	if err != nil || !told {
		t.Errorf("no operator hears of it: %v", err)
	}
	before = c.sim.requests.Load()
	c.pass(24 * time.Hour)
	if n := c.step(); n != 0 || c.sim.requests.Load() != before {
		t.Error("it is asked for still")
	}
}

func TestAResultThatCanBeReadLaterIsUsed(t *testing.T) {
	c := newCounter(t, 3)
	c.sim.Fault(claude.Fault{Kind: claude.Unreadable, Count: 3})
	c.putAll()
	c.step()
	for range 5 {
		c.pass(time.Hour)
		c.step()
	}
	if got := c.takeAll(); len(got) != 3 {
		t.Errorf("%d answers", len(got))
	}
	c.calls("3 settled")
	c.closed()
}

// While it is not known what became of a batch no other is sent, so one that cannot be read must come to an end too.
func TestALostBatchThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	c := newCounter(t, 1)
	c.sim.Fault(claude.Fault{Kind: claude.Lost, Path: "/batches", Count: 1})
	remove := c.sim.Fault(claude.Fault{Kind: claude.Unreadable})
	c.put(0)
	c.step()
	for range 32 {
		c.pass(time.Hour)
		c.step()
	}
	c.calls("1 unknown")
	remove()
	c.takeAll()
	c.addSite("Latecomers")
	c.put(1)
	c.step()
	c.pass(2 * pollAll)
	c.step()
	if got := c.takeAll(); len(got) != 1 || got[0].Outcome != outcomeSucceeded {
		t.Errorf("the next batch: %+v", got)
	}
	c.calls("1 settled, 1 unknown")
	c.closed()
}

// A page that is not found on the way to the API says nothing about a batch.
func TestABatchIsNotGivenUpForAProxy(t *testing.T) {
	c := newCounter(t, 1)
	c.putAll()
	c.step()
	proxy := httptest.NewServer(http.NotFoundHandler())
	defer proxy.Close()
	c.pass(2 * pollAll)
	c.carrier.claude = newClaude(proxy.URL, secretKey)
	c.step()
	c.calls("1 reserved")
	c.carrier.claude = c.claude
	c.pass(2 * recoverAll)
	c.step()
	c.calls("1 settled")
	if got := c.takeAll(); len(got) != 1 || got[0].Outcome != outcomeSucceeded {
		t.Errorf("the pipeline hears %+v", got)
	}
}

func TestEachLineOfResultsStandsForItself(t *testing.T) {
	line := func(id, stop, usage string) string {
		return `{"custom_id":"` + id + `","result":{"type":"succeeded","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"{}"}],"stop_reason":` + stop + `,"usage":` + usage + `}}}`
	}
	const used = `{"input_tokens":1,"output_tokens":2}`
	unreadable := []string{
		`{`, `<html>`, `null`, `{"result":{"type":"expired"}}`, `{"custom_id":"a","result":{"type":"postponed"}}`, `{"custom_id":"a"}`, `{"custom_id":7,"result":"x"}`,
		`{"custom_id":"a","result":{"type":"succeeded"}}`, line("a", "null", used), line("a", `"end_turn"`, "null"), line("a", `"end_turn"`, `{"input_tokens":-1,"output_tokens":2}`),
		line("a", `"end_turn"`, `{"input_tokens":1,"output_tokens":4600000000000000000}`), line("a", `"end_turn"`, `{"input_tokens":1e30,"output_tokens":2}`),
		line("a", `"end_turn"`, `{"input_tokens":1}`), line("a", `"end_turn"`, `{"input_tokens":1,"output_tokens":"many"}`),
		line("a", `"end_turn"`, used)[:150], line(strings.Repeat("a", longestResult), `"end_turn"`, used),
	}
	lines := []string{"", line("1", `"end_turn"`, used), "  "}
	lines = append(lines, unreadable...)
	lines = append(lines, line("2\xff", `"end\u0000_turn"`, used), `{"custom_id":"3","result":{"type":"errored","error":{"type":"error","error":{"type":"api_error","message":"x"}}}}`,
		`{"custom_id":"4","result":{"type":"canceled"}}`, `{"custom_id":"5","result":{"type":"expired"}}`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(strings.Join(lines, "\n"))) }))
	defer server.Close()
	var ids []string
	read := func() error {
		ids = nil
		return newClaude(server.URL, secretKey).results(t.Context(), "msgbatch_1", func(r result) error {
			if ids = append(ids, r.CustomID+" "+r.Outcome); strings.Contains(r.Answer.Stop, "\x00") {
				t.Errorf("%s cannot be stored", r.CustomID)
			}
			return nil
		})
	}
	if err := read(); !errors.Is(err, errSpoilt) || !strings.HasSuffix(err.Error(), ": 17") {
		t.Errorf("got %v, want that %d lines cannot be read", err, len(unreadable))
	}
	want := []string{"1 succeeded", "2\uFFFD succeeded", "3 errored", "4 canceled", "5 expired"}
	if !slices.Equal(ids, want) {
		t.Errorf("got %q, want %q", ids, want)
	}
	lines = lines[:3]
	if err := read(); err != nil || len(ids) != 1 {
		t.Errorf("nothing but empty lines beside: %q, %v", ids, err)
	}
}
