package memberpress

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// tombstones is how long the plugin remembers what is gone.
const tombstones = 90 * 24 * time.Hour

// renew begins an epoch: nothing has been told, and the watermarks of before mean nothing.
func (s *Site) renew() {
	s.made++
	digits := s.digest(fmt.Sprint("epoch", s.made))
	st := &s.state
	st.epoch, st.watermarkKey = digits[:16], digits[16:]
	st.told, st.marks = map[ref]told{}, map[ref]bool{}
	st.seq, st.pruned, st.baseline = 0, 0, time.Time{}
	st.round, st.swept, st.sweepKinds, st.sweepEntity, st.sweepAfter = 0, false, nil, 0, 0
}

// inside is what a watermark holds.
type inside struct {
	Epoch string `json:"e"`
	Seq   int64  `json:"s"`
	Time  int64  `json:"t"`
	Round int64  `json:"r"`           // of a sweep that is under way, 0 where the reader is up to date
	Names string `json:"n,omitempty"` // of what the reader has been told, "" where that is all
}

func (s *Site) watermark(seq, round int64, names []string) *string {
	payload := base64.RawURLEncoding.EncodeToString(encode(inside{s.state.epoch, seq, s.cfg.Clock.Now().Unix(), round, strings.Join(names, ",")}))
	mark := "mw1." + payload + "." + s.mac(payload)
	return &mark
}

func (s *Site) mac(payload string) string {
	mac := hmac.New(sha256.New, []byte(s.state.watermarkKey))
	mac.Write([]byte(payload)) // a hash never fails
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// since reads a watermark or a moment, for a reader of the entities that are named, all where none is.
func (s *Site) since(text string, names []string) (seq, round int64, refused *problem) {
	if part := strings.Split(text, "."); len(part) == 3 && part[0] == "mw1" {
		raw, err := base64.RawURLEncoding.DecodeString(part[1])
		var in inside
		if err != nil || part[2] != s.mac(part[1]) || json.Unmarshal(raw, &in) != nil || in.Epoch != s.state.epoch {
			return 0, 0, s.resync("epoch")
		}
		if in.Seq < s.state.pruned {
			return 0, 0, s.resync("pruned")
		}
		if in.Names != "" && (names == nil || !contains(strings.Split(in.Names, ","), names)) {
			return 0, 0, s.resync("entities")
		}
		return in.Seq, in.Round, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || !moment().MatchString(text) {
		return 0, 0, &problem{"mi_bad_request", "The parameter since is neither a watermark nor a time.", problemData{Parameter: "since"}}
	}
	at = at.Truncate(time.Second)
	if s.state.baseline.IsZero() || at.Before(s.state.baseline) {
		return 0, 0, s.resync("before_baseline")
	}
	for _, is := range s.state.told {
		if is.seq > seq && is.at.Before(at) {
			seq = is.seq
		}
	}
	if seq < s.state.pruned {
		return 0, 0, s.resync("pruned")
	}
	return seq, 0, nil
}

func moment() *regexp.Regexp {
	return regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`)
}

func (s *Site) resync(reason string) *problem {
	return &problem{"mi_resync_required", "The watermark is not of this site's present state.", problemData{Reason: reason, Epoch: s.state.epoch}}
}

// prune drops tombstones of long ago.
func (s *Site) prune() {
	old := s.cfg.Clock.Now().Add(-tombstones)
	for at, is := range s.state.told {
		if is.deleted && is.at.Before(old) {
			s.state.pruned = max(s.state.pruned, is.seq)
			delete(s.state.told, at)
		}
	}
}
