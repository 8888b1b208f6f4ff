package connection

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/postgres"
)

// WebhookSecret is the name of what verifies deliveries; several are separated by commas. It proves
// nothing to the source, so it alone outlives a disconnect.
const WebhookSecret = "webhook_secret"

// Secret returns the connection's credential of that name, "" when there is none. One that was sealed
// with a key that is gone is a fault with a sentence.
func (s *Store) Secret(ctx context.Context, tx *postgres.TenantTx, id ID, name string) (string, error) {
	var sealed []byte
	err := tx.QueryRow(ctx, `SELECT sealed FROM connection_secret WHERE connection_id = $1 AND name = $2`, id, name).Scan(&sealed)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("connection: read the secret %s: %w", name, err)
	}
	plain, err := s.vault.Open(tx.Tenant, name, sealed)
	return string(plain), err
}

// Reseal seals all secrets of the tenant anew with the vault's primary key, and returns how many. A crash
// loses nothing, because the vault keeps its older keys; doing it again does no harm.
func (s *Store) Reseal(ctx context.Context, tx *postgres.TenantTx) (int, error) {
	type secret struct {
		ID     ID
		Name   string
		Sealed []byte
	}
	rows, err := tx.Query(ctx, `SELECT connection_id, name, sealed FROM connection_secret WHERE tenant_id = $1
		ORDER BY connection_id, name FOR UPDATE`, tx.Tenant)
	if err != nil {
		return 0, fmt.Errorf("connection: read the secrets: %w", err)
	}
	secrets, err := pgx.CollectRows(rows, pgx.RowToStructByPos[secret])
	if err != nil {
		return 0, fmt.Errorf("connection: read the secrets: %w", err)
	}
	for _, secret := range secrets {
		plain, err := s.vault.Open(tx.Tenant, secret.Name, secret.Sealed)
		if err != nil {
			return 0, err
		}
		if err := s.keepSecrets(ctx, tx, secret.ID, map[string]string{secret.Name: string(plain)}); err != nil {
			return 0, err
		}
	}
	return len(secrets), nil
}

func (s *Store) keepSecrets(ctx context.Context, tx *postgres.TenantTx, id ID, secrets map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if secrets[name] == "" {
			continue
		}
		sealed, err := s.vault.Seal(tx.Tenant, name, []byte(secrets[name]))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			INSERT INTO connection_secret (tenant_id, connection_id, name, sealed) VALUES ($1, $2, $3, $4)
			ON CONFLICT (connection_id, name) DO UPDATE SET sealed = excluded.sealed`, tx.Tenant, id, name, sealed)
		if err != nil {
			return fmt.Errorf("connection: keep the secret %s: %w", name, err)
		}
	}
	return nil
}
