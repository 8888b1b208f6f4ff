package website_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"memberintel/internal/sim/website"
)

func get(w *website.World, host, path string) (int, string) {
	answer := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "http://"+host+path, nil)
	w.ServeHTTP(answer, r)
	return answer.Code, answer.Body.String()
}

// TestAClubHasPagesOfAllKinds and every label stands on its page, whatever the week. Letters of a charset of their own are left out.
func TestAClubHasPagesOfAllKinds(t *testing.T) {
	w := website.New()
	kinds := map[string]bool{}
	for _, host := range []string{website.Lakeside, website.Hillside, website.Hafen} {
		for week := 1; week <= 7; week++ {
			w.SetWeek(week)
			for _, page := range w.Pages(host) {
				kinds[page.Kind] = true
				code, text := get(w, host, page.Path)
				if code != 200 {
					t.Errorf("%s%s: %d", host, page.Path, code)
				}
				for _, label := range page.Offers {
					if host == website.Lakeside && !strings.Contains(text, label) {
						t.Errorf("week %d, %s%s: no %q", week, host, page.Path, label)
					}
				}
			}
		}
	}
	if len(kinds) != 7 {
		t.Errorf("kinds: %v", kinds)
	}
}

func TestHistoryIsWhatIsTold(t *testing.T) {
	w := website.New()
	front, prices := map[int]string{}, map[int]string{}
	for week := 1; week <= 4; week++ {
		w.SetWeek(week)
		_, front[week] = get(w, website.Lakeside, "/")
		_, prices[week] = get(w, website.Lakeside, "/membership-pricing/")
	}
	if front[1] == front[2] || !strings.Contains(front[2], "Tennis for everyone, all year round") || !strings.Contains(front[3], "The friendliest indoor tennis club") {
		t.Error("the headline, or what is volatile")
	}
	if !strings.Contains(prices[3], "$45") || !strings.Contains(prices[4], "$49") || strings.Contains(prices[4], "$45") {
		t.Error("the prices")
	}
	w.SetWeek(1)
	_, first := get(w, website.Hafen, "/")
	w.SetWeek(5)
	if _, later := get(w, website.Hafen, "/"); later != first {
		t.Error("a site that never changes did")
	}
	if again := website.New(); len(again.Hosts()) != len(w.Hosts()) || len(w.Hosts()) < 10 {
		t.Errorf("%v", w.Hosts())
	} else if _, text := get(again, website.Lakeside, "/"); text != front[1] {
		t.Error("a new world is another one")
	}
}

func TestSitesInTroubleSayItAsRealOnesDo(t *testing.T) {
	w := website.New()
	for host, want := range map[string]struct {
		code int
		text string
	}{
		website.Northpeak: {200, `<div id="root"></div>`}, website.Oldmill: {200, "sedoparking"}, website.Millpond: {200, "Related searches"}, website.Fortress: {403, "_cf_chl_opt"},
		website.Quarry: {503, ""}, website.Meadow: {301, ""}, website.Orchard: {200, "Supper Club"}, "nowhere.example": {421, ""},
	} {
		if code, text := get(w, host, "/"); code != want.code || !strings.Contains(text, want.text) {
			t.Errorf("%s: %d %s", host, code, text)
		}
	}
	if _, rules := get(w, website.Cloister, "/robots.txt"); !strings.Contains(rules, "Disallow: /\n") {
		t.Error(rules)
	}
	if code, _ := get(w, website.Lakeside, "/_head"); code != 404 {
		t.Errorf("a part of pages is a page: %d", code)
	}
}
