package postgres

import (
	"context"
	"errors"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Unavailable reports whether err means that the database cannot be reached or is going away, so that the
// same work may succeed later.
func Unavailable(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		class := pg.Code[:2]
		return class == "08" || class == "53" || class == "57" || class == "58" || pg.Code == "25006"
	}
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed) || strings.Contains(err.Error(), "unexpected EOF") ||
		strings.Contains(err.Error(), "conn closed")
}

// Interrupted reports whether err means that the database went away under the work, by a restart say. Unlike
// Unavailable it leaves out what the work itself may have brought about, by its size or its time.
func Interrupted(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return strings.HasPrefix(pg.Code, "57P") || strings.HasPrefix(pg.Code, "08")
	}
	return Unavailable(err) && !errors.Is(err, context.DeadlineExceeded)
}

// disconnected reports whether err means that the connection is of no use any more, as after a restart.
func disconnected(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return strings.HasPrefix(pg.Code, "57P")
	}
	return Unavailable(err)
}

// CannotConnect reports whether err means that no connection could be made: nobody listens, or the server does not let
// this login in.
func CannotConnect(err error) bool {
	var connect *pgconn.ConnectError
	return errors.As(err, &connect)
}

// Retryable reports whether the transaction lost to another one and would do on its own.
func Retryable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// LockTimeout reports whether the statement waited longer for a lock than lock_timeout allows.
func LockTimeout(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "55P03"
}

// Refused reports whether PostgreSQL refuses the data itself, so that the same would never be taken.
func Refused(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	class := pg.Code[:2]
	return class == "22" || class == "23" || class == "54"
}

// Forbidden reports whether the login lacks the right to do this.
func Forbidden(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "42501"
}

// Violates reports whether err is a violation of the unique constraint or index of that name.
func Violates(err error, constraint string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505" && pg.ConstraintName == constraint
}

// redacted keeps a password that a driver might quote out of an error.
func redacted(err error) error {
	var parse *pgconn.ParseConfigError
	if errors.As(err, &parse) {
		return errors.New("it must look like postgres://user:password@host:5432/database")
	}
	return err
}
