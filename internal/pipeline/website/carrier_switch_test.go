package website

import (
	"context"
	"testing"

	"memberintel/internal/guard"
)

// A batch that is being packed when a switch is thrown is waited for, and none is packed after it.
func TestAThrowWaitsForTheBatchThatIsBeingPacked(t *testing.T) {
	for _, name := range []string{guard.Claude, "all", "pipeline:website", "tenant"} {
		t.Run(name, func(t *testing.T) {
			c := newCounter(t, 2)
			c.putAll()
			if name == "tenant" {
				name += ":" + c.sites[0].TenantID.String()
			}
			// Somebody else's batch, which is not committed: ours waits for what becomes of it, after it has asked the switches.
			other, err := c.owner.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := other.Exec(t.Context(), `INSERT INTO llm_batch (questions) VALUES (1)`); err != nil {
				t.Fatal(err)
			}
			packed, thrown := make(chan bool, 1), make(chan error, 1)
			ctx := context.WithoutCancel(t.Context())
			go func() {
				_, found, err := c.carrier.pack(ctx)
				if err != nil {
					t.Error(err)
				}
				packed <- found
			}()
			for !c.waits("transactionid") && len(packed) == 0 && t.Context().Err() == nil {
			}
			go func() { thrown <- guard.Throw(ctx, c.db, name, "stop", "olga", 0) }()
			for !c.waits("advisory") && len(thrown) == 0 && t.Context().Err() == nil {
			}
			if len(thrown) > 0 {
				t.Error("the throw returned while a batch was being packed")
			}
			if err := other.Rollback(t.Context()); err != nil {
				t.Error(err)
			}
			if !<-packed {
				t.Error("no batch was packed")
			}
			if err := <-thrown; err != nil {
				t.Error(err)
			}
		})
	}
}

// waits reports whether somebody waits for a lock of the kind.
func (c *counter) waits(kind string) bool {
	return c.text(`SELECT EXISTS (SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
		WHERE locktype = $1 AND NOT granted AND datname = current_database())::text`, kind) == "true"
}
