package embedded

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// unpackOnce runs fetch in an empty folder and moves the result to its place in
// the cache. Processes that need it at the same moment wait for each other, and
// all but the first find it there. What lies in that place already has been
// found wanting and is replaced. A fetch that is killed leaves folders that the
// next one removes. source names where it comes from, for the error.
func (s *search) unpackOnce(ctx context.Context, source string, fetch func(work string) (name string, err error)) (binaries, bool) {
	parent := s.unpackDir("")
	// 0755: the server's user must reach it.
	if err := os.MkdirAll(parent, 0o755); err != nil {
		s.reject(source, err)
		return binaries{}, false
	}
	turn, err := lockExclusive(ctx, filepath.Join(parent, "unpack.lock"))
	if err != nil {
		s.reject(source, fmt.Errorf("waiting for another unpack: %w", err))
		return binaries{}, false
	}
	defer unlock(turn)
	if found, ok := s.unpacked(ctx); ok {
		return found, true
	}
	s.log.Info("no PostgreSQL found; unpacking one for this program alone", "source", source, "cache_dir", parent)
	if err := s.unpackInto(parent, fetch); err != nil {
		s.reject(source, err)
		return binaries{}, false
	}
	return s.unpacked(ctx)
}

func (s *search) unpackInto(parent string, fetch func(work string) (name string, err error)) error {
	for _, left := range s.glob(s.unpackDir("tmp.*")) {
		if err := os.RemoveAll(left); err != nil {
			return err
		}
	}
	work, err := os.MkdirTemp(parent, "tmp.")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err := os.Chmod(work, 0o755); err != nil {
		return err
	}
	name, err := fetch(work)
	if err != nil {
		return err
	}
	place := s.unpackDir(name)
	if err := os.RemoveAll(place); err != nil {
		return err
	}
	return os.Rename(work, place)
}
