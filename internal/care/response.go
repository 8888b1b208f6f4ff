package care

import "time"

// timeout is how long to wait for the next answer: the usual time and four times how far answers stray from
// it, as TCP does, but half as much again at least. It doubles with every timeout in a row, and stays so until
// an answer comes: an answer that never came has no length to learn from.
func (cfg Config) timeout(s source) time.Duration {
	wait := cfg.Initial
	if s.SRTT != nil && s.RTTVar != nil {
		wait = milliseconds(*s.SRTT + max(4**s.RTTVar, *s.SRTT/2))
	}
	wait = max(wait, cfg.Floor)
	for range s.Timeouts {
		if wait >= cfg.Ceiling {
			break
		}
		wait *= 2
	}
	return min(wait, cfg.Ceiling)
}

// answeredIn learns from an answer that came whole.
func (s *source) answeredIn(took time.Duration) {
	s.Timeouts = 0
	ms := float64(took) / float64(time.Millisecond)
	if s.SRTT == nil || s.RTTVar == nil {
		half := ms / 2
		s.SRTT, s.RTTVar = &ms, &half
		return
	}
	stray := *s.RTTVar + (max(ms-*s.SRTT, *s.SRTT-ms)-*s.RTTVar)/4
	usual := *s.SRTT + (ms-*s.SRTT)/8
	s.SRTT, s.RTTVar = &usual, &stray
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
