package app

import (
	"runtime/debug"

	"github.com/alecthomas/kong"
)

// commandLine is the grammar. A command's fields are its flags, its Run is its story, its Help an example.
type commandLine struct {
	Settings

	JSON    bool             `name:"json" help:"Answer with one JSON object on stdout; everything else goes to stderr."`
	Version kong.VersionFlag `help:"Print the version and quit."`

	Demo       demoCommand        `cmd:"" help:"Try it: a simulated Stripe and MemberPress site, a filled warehouse, a status page."`
	Serve      serveCommand       `cmd:"" help:"Take webhooks, work off what is due, show the status page."`
	Migrate    migrateCommand     `cmd:"" help:"Bring the database's schema up to date."`
	Tenant     tenantCommands     `cmd:"" help:"Add and list tenants; change their plans and whom news goes to."`
	User       userCommands       `cmd:"" help:"Say who may sign in, and as what."`
	Connect    connectCommands    `cmd:"" help:"Connect a tenant's source."`
	Disconnect disconnectCommand  `cmd:"" help:"End a connection; its data stays, its credentials are forgotten."`
	Sync       syncCommand        `cmd:"" help:"Bring the warehouse up to the source."`
	Replay     replayCommand      `cmd:"" help:"Apply Stripe events that may have been missed."`
	Verify     verifyCommand      `cmd:"" help:"Read the source again and tell where the warehouse differs."`
	Quarantine quarantineCommands `cmd:"" help:"Look at objects that were not understood, and try them again."`
	Status     statusCommand      `cmd:"" help:"Tell how the connections fare."`
	Switch     switchCommands     `cmd:"" help:"Stop work and let it go on."`
	Price      priceCommands      `cmd:"" help:"Say what Claude's models cost."`
	Key        keyCommands        `cmd:"" help:"Look after the keys that seal credentials."`
	DB         dbCommands         `cmd:"" name:"db" help:"Find the way into the database."`
}

// version is what the module system stamped into the program.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "memberintel (unknown version)"
	}
	return "memberintel " + info.Main.Version
}
