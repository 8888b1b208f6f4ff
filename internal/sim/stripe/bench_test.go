package stripe_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"memberintel/internal/sim/clock"
	simstripe "memberintel/internal/sim/stripe"
)

// BenchmarkPages walks a whole list a hundred objects at a time, without a network.
func BenchmarkPages(b *testing.B) {
	s := simstripe.New(clock.At(day), 1)
	a := s.NewAccount(simstripe.AccountOptions{})
	started := time.Now()
	a.Club(1, 1500, 24)
	objects := 0
	for _, r := range resources() {
		objects += a.Count(r)
	}
	b.ReportMetric(float64(objects), "made")
	b.ReportMetric(float64(objects)/time.Since(started).Seconds(), "made/s")
	key := a.SecretKey()
	for _, resource := range []string{"invoices", "charges"} {
		b.Run(resource, func(b *testing.B) {
			served, after := 0, ""
			for b.Loop() {
				req := httptest.NewRequest(http.MethodGet, "/v1/"+resource+"?limit=100"+after, nil)
				req.Header.Set("Authorization", "Bearer "+key)
				rec := httptest.NewRecorder()
				s.ServeHTTP(rec, req)
				body := rec.Body.String()
				served += 100
				after = ""
				if strings.Contains(body[len(body)-80:], `"has_more": true`) {
					last := body[strings.LastIndex(body, "\n    {\n      \"id\": \""):]
					id := strings.Split(last, `"`)[3]
					after = "&starting_after=" + id
				}
			}
			b.ReportMetric(float64(served)/b.Elapsed().Seconds(), "objects/s")
		})
	}
}
