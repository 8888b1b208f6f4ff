package embedded

import (
	"context"
	"fmt"
	"time"
)

// Between two looks at the server Keep waits keepEvery, and up to keepLongest while it cannot be started.
const (
	keepEvery   = time.Second
	keepLongest = time.Minute
)

// Keep starts the server again when it has died, because the system was out of memory say, until ctx ends. Of several
// users that keep it one starts it and the others join. What goes wrong is logged and tried again.
func (i *Instance) Keep(ctx context.Context) {
	for failed := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(min(keepEvery<<min(failed, 10), keepLongest)):
		}
		if readPostmaster(i.layout).alive {
			failed = 0
			continue
		}
		i.log.WarnContext(ctx, "embedded postgres has died and is started again", "data_dir", i.layout.data())
		if err := i.revive(ctx); err != nil && ctx.Err() == nil {
			i.log.ErrorContext(ctx, "embedded postgres was not started again", "error", err)
			failed++
		}
	}
}

// revive does nothing after Close.
func (i *Instance) revive(ctx context.Context) error {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if i.users == nil {
		return nil
	}
	starting, err := lockExclusive(ctx, i.layout.startLock())
	if err != nil {
		return fmt.Errorf("embedded: waiting for another start or stop: %w", err)
	}
	defer unlock(starting)
	fifo, err := enter(ctx, i.options, i.layout, i.who, starting)
	if err != nil {
		return fmt.Errorf("embedded: %w", err)
	}
	_ = i.fifo.Close()
	i.fifo = fifo
	return nil
}
