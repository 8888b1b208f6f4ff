package care

// halvePage answers a site that broke down or ran out of time under a page.
func (cfg Config) halvePage(s *source) {
	s.PageSize = max(s.PageSize/2, cfg.PageMin)
	s.GoodAnswers = 0
}

// growPage goes back up, by a quarter with each answer, after a while without trouble: a site that cannot do
// a larger page breaks down once in some dozens of pages instead of with every other one.
func (cfg Config) growPage(s *source) {
	s.GoodAnswers++
	if s.GoodAnswers > cfg.GrowAfter {
		s.PageSize = min(s.PageSize+max(s.PageSize/4, 1), max(cfg.PageMax, s.PageSize))
	}
}
