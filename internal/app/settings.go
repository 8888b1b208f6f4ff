package app

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"

	"memberintel/internal/guard"
)

// Settings is what every command can be told. A line is a setting: its flag, its variable, its default and
// its help. docs/settings.md is made of them by a test.
type Settings struct {
	DatabaseURL        string  `name:"database-url" setting:"MEMBERINTEL_DATABASE_URL" group:"Settings" placeholder:"URL" help:"PostgreSQL of your own, 15 or newer. Without one, memberintel runs its own. With a password in it, the variable alone."`
	OwnerDatabaseURL   string  `name:"owner-database-url" setting:"MEMBERINTEL_OWNER_DATABASE_URL" group:"Settings" placeholder:"URL" help:"Login of the schema's owner, for migrate and for making logins. Default: the database URL. With a password in it, the variable alone."`
	DataDir            string  `setting:"MEMBERINTEL_DATA_DIR" group:"Settings" placeholder:"FOLDER" help:"Where the program keeps its state. Default: /var/lib/memberintel as root, else memberintel in $XDG_STATE_HOME or ~/.local/state."`
	KeyFile            string  `setting:"MEMBERINTEL_KEY_FILE" group:"Settings" placeholder:"FILE" help:"Keys that seal credentials, made on first use. Keep a copy. Default: key.json in the data folder."`
	PostgresBin        string  `setting:"MEMBERINTEL_POSTGRES_BIN" group:"Settings" placeholder:"FOLDER" help:"Folder with initdb and postgres for the program's own server. Default: search, else unpack one."`
	Listen             string  `setting:"MEMBERINTEL_LISTEN" group:"Settings" placeholder:"HOST:PORT" default:"127.0.0.1:8080" help:"Where serve and demo answer HTTP."`
	PublicURL          string  `name:"public-url" setting:"MEMBERINTEL_PUBLIC_URL" group:"Settings" placeholder:"URL" help:"How the outside reaches serve, for webhook addresses. Default: http:// and the listen address."`
	StripeAPIURL       string  `name:"stripe-api-url" setting:"MEMBERINTEL_STRIPE_API_URL" group:"Settings" placeholder:"URL" default:"https://api.stripe.com" help:"Stripe's API."`
	StripeAPIVersion   string  `name:"stripe-api-version" setting:"MEMBERINTEL_STRIPE_API_VERSION" group:"Settings" placeholder:"VERSION" default:"2026-08-26.dahlia" help:"API version that is asked of Stripe, and whose events are mapped."`
	StripeEndpointRate float64 `setting:"MEMBERINTEL_STRIPE_ENDPOINT_RATE" group:"Settings" placeholder:"N" default:"25" help:"Requests a second to one endpoint of one Stripe account."`
	StripeAccountRate  float64 `setting:"MEMBERINTEL_STRIPE_ACCOUNT_RATE" group:"Settings" placeholder:"N" default:"100" help:"Requests a second to one Stripe account."`
	AnthropicURL       string  `name:"anthropic-base-url" setting:"ANTHROPIC_BASE_URL" group:"Settings" placeholder:"URL" default:"https://api.anthropic.com" help:"Claude's API, which describes websites."`
	ModelFirst         string  `setting:"MEMBERINTEL_MODEL_FIRST" group:"Settings" placeholder:"MODEL" default:"claude-sonnet-5-5" help:"Claude model that describes a website for the first time. Each model needs a price: memberintel price list."`
	ModelWeekly        string  `setting:"MEMBERINTEL_MODEL_WEEKLY" group:"Settings" placeholder:"MODEL" default:"claude-haiku-5-5" help:"Claude model of the weekly analyses, in batches."`
	ModelOnDemand      string  `setting:"MEMBERINTEL_MODEL_ON_DEMAND" group:"Settings" placeholder:"MODEL" default:"claude-haiku-5-5" help:"Claude model of the analyses that sync asks for."`
	MaxSyncs           int     `setting:"MEMBERINTEL_MAX_SYNCS" group:"Settings" placeholder:"N" default:"100" help:"Syncs at the same time, over all processes on one database."`
	BudgetDay          float64 `setting:"MEMBERINTEL_BUDGET_DAY" group:"Settings" placeholder:"DOLLARS" default:"100" help:"What the analysis of websites may cost a day (UTC), all tenants together. To raise it, migrate with it as well."`
	BudgetMonth        float64 `setting:"MEMBERINTEL_BUDGET_MONTH" group:"Settings" placeholder:"DOLLARS" default:"1500" help:"What it may cost a month. To raise it, migrate with it as well."`
	BudgetTenantMonth  float64 `setting:"MEMBERINTEL_BUDGET_TENANT_MONTH" group:"Settings" placeholder:"DOLLARS" default:"0.20" help:"What it may cost a month for one tenant. To raise it, migrate with it as well."`
	SMTPURL            string  `name:"smtp-url" setting:"MEMBERINTEL_SMTP_URL" group:"Settings" placeholder:"URL" help:"Mail server for news of outages, smtp://user:password@host:587 or smtps://. Without one, mails wait in the outbox. With a password in it, the variable alone."`
	MailFrom           string  `setting:"MEMBERINTEL_MAIL_FROM" group:"Settings" placeholder:"ADDRESS" help:"Sender of mails. Default: the mail server's user, else memberintel at its host."`
	Proxies            string  `setting:"MEMBERINTEL_PROXIES" group:"Settings" placeholder:"CIDR,..." default:"127.0.0.0/8,::1/128" help:"Proxies whose X-Forwarded-For is believed. Attempts to sign in are counted by the address that it names."`
	AllowAddresses     string  `setting:"MEMBERINTEL_ALLOW_ADDRESSES" group:"Settings" placeholder:"CIDR,..." help:"Addresses that sites may have although they are not public, such as 127.0.0.0/8. For tests and development alone."`
	LogLevel           string  `setting:"MEMBERINTEL_LOG_LEVEL" group:"Settings" enum:"debug,info,warn,error" default:"info" help:"Least level that is logged: debug, info, warn or error."`
	LogFormat          string  `setting:"MEMBERINTEL_LOG_FORMAT" group:"Settings" enum:"text,json" default:"text" help:"How log lines are written: text or json."`

	allowed []netip.Prefix // AllowAddresses, read
	proxies []netip.Prefix // Proxies, read
}

// Secrets come from the environment, or from stdin where a command says so, and never from flags, which
// every user of the machine can read.
type Secrets struct {
	StripeKey            string `setting:"MEMBERINTEL_STRIPE_KEY" help:"Key of the Stripe account that is connected: restricted, with read permissions."`
	StripeWebhookSecret  string `setting:"MEMBERINTEL_STRIPE_WEBHOOK_SECRET" help:"Signing secret of the connection's webhook endpoint; several are separated by commas."`
	StripeSecretKey      string `setting:"MEMBERINTEL_STRIPE_SECRET_KEY" help:"Key of the Connect platform, for connections that are made with --account."`
	AnthropicKey         string `setting:"ANTHROPIC_API_KEY" help:"Key of Claude's API. Without one websites are connected and not described."`
	UserPassword         string `setting:"MEMBERINTEL_USER_PASSWORD" help:"Password of the user that user create makes, or the new one of user password."`
	MemberPressSecret    string `setting:"MEMBERINTEL_MEMBERPRESS_SECRET" help:"Secret of the key that the site's plugin showed, for connect memberpress."`
	StripeWebhookSecrets string `setting:"MEMBERINTEL_STRIPE_WEBHOOK_SECRETS" help:"Signing secrets of the platform's webhook endpoint, separated by commas."`
}

// complete fills in the defaults that depend on the machine.
func (s *Settings) complete(env map[string]string) error {
	for name, value := range map[string]string{"database-url": s.DatabaseURL, "owner-database-url": s.OwnerDatabaseURL, "smtp-url": s.SMTPURL} {
		if hasPassword(value) && value != env["MEMBERINTEL_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))] {
			return usage("--%s holds a password, which other users of this machine could read; set MEMBERINTEL_%s instead.",
				name, strings.ToUpper(strings.ReplaceAll(name, "-", "_")))
		}
	}
	if s.DataDir == "" {
		s.DataDir = stateFolder(env)
	}
	if s.KeyFile == "" {
		s.KeyFile = filepath.Join(s.DataDir, "key.json")
	}
	if s.MaxSyncs < 1 || s.StripeEndpointRate <= 0 || s.StripeAccountRate <= 0 {
		return usage("The rates and --max-syncs must be greater than 0.")
	}
	if min(s.BudgetDay, s.BudgetMonth, s.BudgetTenantMonth) <= 0 || max(s.BudgetDay, s.BudgetMonth, s.BudgetTenantMonth) > 1e9 {
		return usage("The budgets are amounts in dollars, greater than 0; to spend nothing, throw the switch subsystem:claude.")
	}
	for _, ranges := range []struct {
		flag, text string
		into       *[]netip.Prefix
	}{{"allow-addresses", s.AllowAddresses, &s.allowed}, {"proxies", s.Proxies, &s.proxies}} {
		for _, text := range commaSeparated(ranges.text) {
			prefix, err := netip.ParsePrefix(text)
			if err != nil {
				return usage("--%s must be address ranges such as 127.0.0.0/8.", ranges.flag)
			}
			*ranges.into = append(*ranges.into, prefix)
		}
	}
	if _, _, err := net.SplitHostPort(s.Listen); err != nil {
		return usage("--listen must look like 127.0.0.1:8080.")
	}
	if s.PublicURL == "" {
		s.PublicURL = "http://" + reachable(s.Listen)
	}
	if u, err := url.Parse(s.PublicURL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return usage("--public-url must look like https://memberintel.example.org.")
	}
	s.PublicURL = strings.TrimRight(s.PublicURL, "/")
	return nil
}

// hasPassword reports whether a database URL, in either of its forms, holds a password.
func hasPassword(text string) bool {
	u, err := url.Parse(text)
	if err == nil && u.User != nil {
		if _, has := u.User.Password(); has {
			return true
		}
	}
	return strings.Contains(strings.ToLower(text), "password=")
}

// caps is what Claude may cost.
func (s *Settings) caps() guard.Caps {
	return guard.Caps{Day: guard.Dollars(s.BudgetDay), Month: guard.Dollars(s.BudgetMonth), TenantMonth: guard.Dollars(s.BudgetTenantMonth)}
}

func stateFolder(env map[string]string) string {
	if os.Geteuid() == 0 {
		return "/var/lib/memberintel"
	}
	state := env["XDG_STATE_HOME"]
	if !filepath.IsAbs(state) {
		state = filepath.Join(env["HOME"], ".local", "state")
	}
	return filepath.Join(state, "memberintel")
}

// reachable returns an address that a client on this machine can use for a listen address.
func reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

func (s *Settings) level() slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.LogLevel)) // the grammar lets only levels through
	return level
}

// environment reads NAME=value lines as a process gets them; the last one of a name counts.
func environment(lines []string) map[string]string {
	env := make(map[string]string, len(lines))
	for _, line := range lines {
		if name, value, ok := strings.Cut(line, "="); ok {
			env[name] = value
		}
	}
	return env
}

// fromEnvironment gives a flag the value of its variable where the command line has none. An empty variable
// counts as unset.
func fromEnvironment(env map[string]string) kong.Resolver {
	var resolve kong.ResolverFunc = func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		if value := env[flag.Tag.Get("setting")]; flag.Tag.Has("setting") && value != "" {
			return value, nil
		}
		return nil, nil //nolint:nilnil // kong's way to say that there is none
	}
	return resolve
}

func helpWithVariable(value *kong.Value) string {
	help := value.Help
	if value.HasDefault && value.Default != "" && value.Flag != nil && value.Flag.PlaceHolder != "" { // which the grammar shows in place of the default
		help += " Default: " + value.Default + "."
	}
	if value.Tag == nil || !value.Tag.Has("setting") {
		return help
	}
	return help + " ($" + value.Tag.Get("setting") + ")"
}

// printHelp leaves the settings to the program's own help: they are the same for every command.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if ctx.Selected() == nil {
		return kong.DefaultHelpPrinter(options, ctx)
	}
	for _, flag := range ctx.Model.Flags {
		flag.Hidden = flag.Hidden || flag.Tag.Has("setting")
	}
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	_, err := fmt.Fprintln(ctx.Stdout, "\nSettings, by flag or by variable: memberintel --help")
	return err
}
