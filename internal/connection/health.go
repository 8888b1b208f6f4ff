package connection

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"memberintel/internal/fault"
	"memberintel/internal/postgres"
)

// Outcome is what an attempt told about the connection beside whether it worked.
type Outcome struct {
	ResponseMS     int        // how long the source usually took to answer; 0 leaves what is stored
	NextSyncAt     *time.Time // nil leaves what is stored
	NotPermitted   []string   // the streams that the credential may not read; nil means none
	MappingVersion int        // of a completed full pass; 0 leaves what is stored
}

// causeLimit is how much of an error is kept for the operator, in bytes.
const causeLimit = 4096

// Succeeded records that an attempt reached its end with everything read. It clears the error, awaits nothing any
// more, and leaves a disconnected connection as it is; a paused one stays paused.
func (s *Store) Succeeded(ctx context.Context, tx *postgres.TenantTx, id ID, o Outcome) error {
	_, err := tx.Exec(ctx, `
		UPDATE connection
		   SET state = CASE WHEN state = 'paused' THEN state ELSE 'connected' END,
		       last_attempt_at = memberintel_now(), last_success_at = memberintel_now(),
		       last_error = NULL, last_error_kind = NULL, last_error_cause = NULL, last_error_checklist = NULL, last_error_beside = NULL,
		       consecutive_failures = 0,
		       awaited_since = NULL,
		       response_ms = coalesce(nullif($2, 0), response_ms), next_sync_at = coalesce($3, next_sync_at),
		       not_permitted = coalesce($4::text[], '{}'), mapping_version = coalesce(nullif($5, 0), mapping_version)
		 WHERE connection_id = $1 AND state <> 'disconnected'`,
		id, o.ResponseMS, o.NextSyncAt, o.NotPermitted, o.MappingVersion)
	if err != nil {
		return fmt.Errorf("connection: record a success: %w", err)
	}
	return nil
}

// Failed records that an attempt failed, or with partial that it reached its end without everything, and
// why: failure is never nil. The connection is degraded, and failed at once when the source refuses the
// credential, because then only a person helps. A disconnected connection is left as it is; a paused one
// stays paused. A source that asks for patience is no failure to be counted. Only a partial attempt replaces
// NotPermitted, because only that one met all streams.
func (s *Store) Failed(
	ctx context.Context, tx *postgres.TenantTx, id ID, failure error, partial bool, o Outcome,
) error {
	kind := fault.KindOf(failure)
	state := Degraded
	if kind == fault.Unauthorized {
		state = Failed
	}
	_, err := tx.Exec(ctx, `
		UPDATE connection
		   SET state = CASE WHEN state = 'paused' THEN state ELSE $2 END,
		       last_attempt_at = memberintel_now(), consecutive_failures = consecutive_failures + CASE WHEN $4 = 'rate_limited' THEN 0 ELSE 1 END,
		       awaited_since = coalesce(awaited_since, least(next_sync_at, memberintel_now())),
		       last_error = $3, last_error_kind = nullif($4, ''), last_error_cause = $5, last_error_checklist = $11, last_error_beside = NULL,
		       response_ms = coalesce(nullif($6, 0), response_ms), next_sync_at = coalesce($7, next_sync_at),
		       not_permitted = CASE WHEN $8 THEN coalesce($9::text[], '{}') ELSE not_permitted END,
		       mapping_version = coalesce(nullif($10, 0), mapping_version)
		 WHERE connection_id = $1 AND state <> 'disconnected'`,
		id, state, storable(fault.Sentence(failure), causeLimit), kind, storable(failure.Error(), causeLimit),
		o.ResponseMS, o.NextSyncAt, partial, o.NotPermitted, o.MappingVersion, ownChecklist(failure))
	if err != nil {
		return fmt.Errorf("connection: record a failure: %w", err)
	}
	return nil
}

// Beside is work on a connection beside its syncs.
type Beside string

// What is done beside the syncs.
const (
	Push     Beside = "push"     // what the source delivers is read
	Refetch  Beside = "refetch"  // single objects are fetched
	Describe Beside = "describe" // what was read is told in words, by somebody else
)

// Troubled records what went wrong beside the syncs: problem is never nil. The connection is degraded, or failed when
// the source refuses the credential. It is no attempt, so none is counted. What the last attempt says stays in place,
// unless the source refuses the credential now; so it does at a connection that has failed. A paused or disconnected
// one is left as it is.
func (s *Store) Troubled(ctx context.Context, tx *postgres.TenantTx, id ID, with Beside, problem error) error {
	kind := fault.KindOf(problem)
	state := Degraded
	if kind == fault.Unauthorized {
		state = Failed
	}
	_, err := tx.Exec(ctx, `
		UPDATE connection SET state = $2, last_error = $3, last_error_kind = nullif($4, ''), last_error_cause = $5, last_error_checklist = $6,
		       last_error_beside = $7
		 WHERE connection_id = $1 AND state NOT IN ('failed', 'paused', 'disconnected')
		   AND (last_error IS NULL OR last_error_beside IS NOT NULL OR $2 = 'failed')`,
		id, state, storable(fault.Sentence(problem), causeLimit), kind, storable(problem.Error(), causeLimit), ownChecklist(problem), with)
	if err != nil {
		return fmt.Errorf("connection: record trouble: %w", err)
	}
	return nil
}

// Eased takes back what Troubled told of the same work, which has succeeded since. A connection whose last attempt
// went well is connected again; one whose attempts fail stays degraded, and the next attempt says why.
func (s *Store) Eased(ctx context.Context, tx *postgres.TenantTx, id ID, with Beside) error {
	_, err := tx.Exec(ctx, `
		UPDATE connection
		   SET state = CASE WHEN state IN ('paused', 'disconnected') THEN state WHEN consecutive_failures > 0 THEN 'degraded'
		                    WHEN last_success_at IS NULL THEN 'pending' ELSE 'connected' END,
		       last_error = NULL, last_error_kind = NULL, last_error_cause = NULL, last_error_checklist = NULL, last_error_beside = NULL
		 WHERE connection_id = $1 AND last_error_beside = $2`, id, with)
	if err != nil {
		return fmt.Errorf("connection: record that trouble is over: %w", err)
	}
	return nil
}

// ownChecklist is the failure's own, nil where its kind says it all.
func ownChecklist(failure error) []string {
	var f *fault.Error
	if errors.As(failure, &f) {
		return f.Checklist
	}
	return nil
}

// storable returns text that PostgreSQL takes: valid UTF-8 without NUL, at most limit bytes.
func storable(text string, limit int) string {
	text = strings.ReplaceAll(text, "\x00", "")
	return strings.ToValidUTF8(text[:min(len(text), limit)], "")
}
