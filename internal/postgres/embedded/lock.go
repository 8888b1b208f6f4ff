package embedded

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pollEvery is the pause between two looks at a state that the kernel cannot
// announce: a lock with a deadline, a file that another process writes.
const pollEvery = 5 * time.Millisecond

func openLock(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
}

// lockExclusive waits for the lock until ctx ends. The kernel frees it when
// the last process that holds the file is gone.
func lockExclusive(ctx context.Context, path string) (*os.File, error) {
	file, err := openLock(path)
	if err != nil {
		return nil, err
	}
	err = poll(ctx, func() (bool, error) {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		unlock(file)
		return nil, err
	}
	return file, nil
}

// lockShared never waits long: the exclusive side is only tried, never kept.
func lockShared(path string) (*os.File, error) {
	file, err := openLock(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_SH); err != nil {
		unlock(file)
		return nil, err
	}
	return file, nil
}

// nobodyUses tells whether the lock is free. Only the holder of start.lock may
// ask, else the answer is old before it is read.
func nobodyUses(path string) bool {
	file, err := openLock(path)
	if err != nil {
		return false
	}
	defer unlock(file)
	return unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}

// unlock takes nil for a lock that was never got.
func unlock(file *os.File) {
	if file != nil {
		_ = file.Close()
	}
}

// poll asks done until it says yes, fails, or ctx ends.
func poll(ctx context.Context, done func() (bool, error)) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}
