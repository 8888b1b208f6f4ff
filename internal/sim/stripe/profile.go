package stripe

// profile is the account object itself.
type profile struct {
	id, name, email, country, currency string
	created                            int64
}

func (p *profile) head() (string, string, int64) { return "account", p.id, p.created }
func (p *profile) facts() facts                  { return facts{} }

func (p *profile) render(e *enc, v view) {
	e.begin('{')
	e.str("id", p.id)
	e.str("object", "account")
	e.open("business_profile")
	e.null("annual_revenue", "estimated_worker_count")
	e.str("mcc", "7997")
	if v.shape == shapeDahlia {
		e.null("minority_owned_business_designation")
	}
	e.str("name", p.name)
	e.null("product_description", "support_address")
	e.str("support_email", p.email)
	e.null("support_phone", "support_url", "url")
	e.close()
	e.str("business_type", "company")
	e.open("capabilities")
	e.str("card_payments", "active")
	e.str("transfers", "active")
	e.close()
	e.flag("charges_enabled", true)
	e.open("controller")
	e.str("type", "account")
	e.close()
	e.str("country", p.country)
	e.num("created", p.created)
	e.str("default_currency", p.currency)
	e.flag("details_submitted", true)
	e.str("email", p.email)
	v.nested(e, "external_accounts", "/v1/accounts/"+p.id+"/external_accounts", 0, nil)
	for _, name := range [...]string{"future_requirements", "requirements"} {
		e.open(name)
		e.emptyArray("alternatives")
		e.null("current_deadline")
		e.emptyArray("currently_due")
		e.null("disabled_reason")
		e.emptyArray("errors", "eventually_due", "past_due", "pending_verification")
		e.close()
	}
	e.emptyObject("metadata")
	e.flag("payouts_enabled", true)
	p.settings(e)
	e.open("tos_acceptance")
	e.num("date", p.created)
	e.null("ip", "user_agent")
	e.close()
	e.str("type", "standard")
	e.close()
}

func (p *profile) settings(e *enc) {
	e.open("settings")
	e.nulls("bacs_debit_payments", "display_name", "service_user_number")
	e.nulls("branding", "icon", "logo", "primary_color", "secondary_color")
	e.open("card_payments")
	e.null("statement_descriptor_prefix")
	e.close()
	e.open("dashboard")
	e.str("display_name", p.name)
	e.str("timezone", "Etc/UTC")
	e.close()
	e.nulls("payments", "statement_descriptor", "statement_descriptor_kana", "statement_descriptor_kanji")
	e.emptyObject("sepa_debit_payments")
	e.close()
}
