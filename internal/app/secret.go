package app

import (
	"bufio"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxSecrets is how much of stdin is read for secrets, in bytes.
const maxSecrets = 64 << 10

// pipePatience is how long a pipe may take to hold something, where it need not hold anything.
const pipePatience = 250 * time.Millisecond

// secretsOf takes the secrets that the variables hold.
func secretsOf(env map[string]string) Secrets {
	var s Secrets
	s.each(func(name string, value *string) { *value = env[name] })
	return s
}

// each calls fn with the variable's name and the place of every secret.
func (s *Secrets) each(fn func(name string, value *string)) {
	fields := reflect.ValueOf(s).Elem()
	for i := range fields.NumField() {
		fn(fields.Type().Field(i).Tag.Get("setting"), fields.Field(i).Addr().Interface().(*string))
	}
}

func (s *Secrets) any() (found bool) {
	s.each(func(_ string, value *string) { found = found || *value != "" })
	return found
}

// readSecrets adds the secrets that stdin holds, one NAME=value a line; they win over the variables. A
// terminal or a device is left alone. A pipe that stays silent is waited for only when needed is true and
// the variables hold no secret at all, so that a pipe which somebody merely left open blocks nothing.
func (p *program) readSecrets(needed bool) error {
	if p.Stdin == nil || !offersInput(p.Stdin, needed && !p.secrets.any()) {
		return nil
	}
	content, err := io.ReadAll(io.LimitReader(p.Stdin, maxSecrets+1))
	if err != nil {
		return usage("The secrets could not be read from stdin: %w.", err)
	}
	if len(content) > maxSecrets {
		return usage("stdin holds more than secrets; give one NAME=value a line.")
	}
	return p.secrets.parse(string(content))
}

// parse never quotes what it does not understand, because that may be a secret.
func (s *Secrets) parse(content string) error {
	places, names := map[string]*string{}, []string{}
	s.each(func(name string, value *string) { places[name], names = value, append(names, name) })
	number := 0
	for lines := bufio.NewScanner(strings.NewReader(content)); lines.Scan(); {
		number++
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(text, "export "), "=")
		place := places[strings.TrimSpace(name)]
		if !ok || place == nil {
			return usage("Line %d of stdin is not NAME=value with one of the names %s.", number, strings.Join(names, ", "))
		}
		if value = unquoted(strings.TrimSpace(value)); value != "" {
			*place = value
		}
	}
	return nil
}

func unquoted(value string) string {
	for _, quote := range []string{`"`, `'`} {
		if len(value) >= 2 && strings.HasPrefix(value, quote) && strings.HasSuffix(value, quote) {
			return value[1 : len(value)-1]
		}
	}
	return value
}

// offersInput reports whether reading from in makes sense: it is a file, or a pipe that holds something, has
// ended, or is worth waiting for.
func offersInput(in io.Reader, wait bool) bool {
	file, ok := in.(*os.File)
	if !ok {
		return true
	}
	info, err := file.Stat()
	if err != nil {
		return false
	}
	switch {
	case info.Mode().IsRegular():
		return true
	case info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0:
		return false
	}
	return wait || ready(file)
}

func ready(file *os.File) bool {
	deadline := time.Now().Add(pipePatience)
	for {
		polled := []unix.PollFd{{Fd: int32(file.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(polled, int(max(time.Until(deadline), 0).Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return err == nil && n > 0
		}
	}
}
