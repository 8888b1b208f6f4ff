// Package river is the job engine that runs beside the warehouse: River, whose jobs are rows of the same
// PostgreSQL, in a schema of their own. It is a carrier and decides nothing: what a job is about, whether it is
// still wanted and when it is tried again stands in the run's row. Of River it uses the queue, the election of
// one process that moves what has become due, and the redelivery after a crash.
//
// Its habits that shape this adapter:
//   - A scheduled job is moved to the queue by the elected process every five seconds, those of the five seconds
//     ahead included. One that is due sooner would come late, so it goes straight into the queue, where its time
//     is looked at again.
//   - A job that stands twice in one insert fails all of it, and one that stands in the table already fails a COPY.
//   - A job is finished by its number, not by its attempt: a worker that comes back from the dead may finish what
//     is being worked on again. The run's generation and lease make that harmless.
//   - Whose worker died is found out by age alone, hence Config.Timeout.
package river

import (
	"cmp"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	riverqueue "github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"memberintel/internal/postgres"
)

const (
	// Schema is where River's tables are, apart from those of the warehouse.
	Schema = "river"
	// kind is River's word for what a job is about. It has one: ours is the name of the job's queue.
	kind = "memberintel"

	// attempts, a minute apart in the end, are for an infrastructure that fails: after about an hour the job is
	// given up, and the sweep for lost deliveries queues the run again.
	attempts = 60
	// remembered is how long a finished job is kept, and so recognised when it comes again.
	remembered = time.Hour
	// scheduled is how often River moves what has become due into the queue. It cannot be set.
	scheduled = 5 * time.Second
	// cooldown is the least time between two fetches, poll the most. A commit announces its jobs, so polling is
	// for announcements that were lost and for jobs whose time has come.
	cooldown = 5 * time.Millisecond
	poll     = time.Second
)

// Config is how a process works. The zero value is usable.
type Config struct {
	Workers int           // jobs of one kind at the same time in this process; 0 means 100
	Timeout time.Duration // how long a job may take, see below; 0 means two hours
	Grace   time.Duration // how long jobs go on when Run is told to end, before their context ends; 0 means 20 s
	Log     *slog.Logger  // nil drops it all

	// A job that has taken Timeout has its context ended. A little later it counts as its dead worker's and is
	// delivered again, so Timeout lies well above the longest job: where a run's lease tells much sooner that
	// its worker died, and the sweep queues it anew, this only clears up.
}

// args is all that travels.
type args struct {
	Run int64 `json:"run"`
	Gen int32 `json:"gen"`
}

// Kind is River's kind of all our jobs.
func (args) Kind() string { return kind }

// Engine is a job.Queue, and runs workers. It is safe for concurrent use.
type Engine struct {
	db       *postgres.DB
	cfg      Config
	log      *slog.Logger // River's own
	inserter *riverqueue.Client[pgx.Tx]
}

// New makes an engine on a database that Migrate has prepared. It connects nowhere and leaves nothing to close:
// Enqueue works in its caller's transaction, and Run ends what it starts.
func New(db *postgres.DB, cfg Config) (*Engine, error) {
	cfg.Workers = cmp.Or(cfg.Workers, 100)
	cfg.Timeout = cmp.Or(cfg.Timeout, 2*time.Hour)
	cfg.Grace = cmp.Or(cfg.Grace, 20*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{db: db, cfg: cfg, log: slog.New(attention{cfg.Log.Handler()})}
	var err error
	e.inserter, err = riverqueue.NewClient(riverpgxv5.New(nil), &riverqueue.Config{
		FetchCooldown: cooldown, // of announcements
		Hooks:         hooks(),
		Logger:        e.log,
		MaxAttempts:   attempts,
		Schema:        Schema,
	})
	if err != nil {
		return nil, fmt.Errorf("river: %w", err)
	}
	return e, nil
}
