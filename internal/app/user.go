package app

import (
	"context"

	"memberintel/internal/identity"
	"memberintel/internal/tenant"
)

type userCommands struct {
	Create userCreateCommand `cmd:"" help:"Let somebody sign in for a tenant."`
	Role   userRoleCommand   `cmd:"" help:"Change what somebody is to a tenant."`

	Password userPasswordCommand `cmd:"" help:"Give somebody another password, and sign them out everywhere."`
}

type userCreateCommand struct {
	Tenant string `required:"" placeholder:"T" help:"The tenant's id or name."`
	Email  string `required:"" placeholder:"E" help:"The person's e-mail address."`
	Role   string `required:"" enum:"owner,viewer,operator" placeholder:"ROLE" help:"owner connects sources, viewer reads, operator supports."`
}

// Help says where the password comes from, with an example.
func (*userCreateCommand) Help() string {
	return "The password is MEMBERINTEL_USER_PASSWORD, from the environment or from stdin, one NAME=value a line; it has at least 12 characters. " +
		"The same again changes nothing. Somebody who has a login for another tenant keeps its password: give that one.\n\n" +
		example("memberintel user create --tenant oak-hill --email anna@oak-hill.example --role owner < user.env")
}

type userView struct {
	UserID   identity.UserID `json:"user_id"`
	TenantID tenant.ID       `json:"tenant_id"`
	Email    string          `json:"email"`
	Role     identity.Role   `json:"role"`
	Created  bool            `json:"created"`
}

// Run makes the user; the same one changes nothing.
func (c *userCreateCommand) Run(ctx context.Context, p *program) error {
	password, err := p.userPassword()
	if err != nil {
		return err
	}
	return p.withTenant(ctx, c.Tenant, func(h *house, t identity.Tenant) error {
		user, created, err := identity.NewUsers(h.db).Create(ctx, t.ID, c.Email, identity.Role(c.Role), password, actor)
		if err != nil {
			return err
		}
		told := line("%s is %s of %s already.", user.Email, user.Role, t.Name)
		if created {
			told = line("%s can sign in at %s/signin, as %s of %s.", user.Email, p.PublicURL, user.Role, t.Name)
		}
		p.answer(userView{user.ID, t.ID, user.Email, user.Role, created}, told)
		return nil
	})
}

func (p *program) userPassword() (string, error) {
	if err := p.readSecrets(true); err != nil {
		return "", err
	}
	if p.secrets.UserPassword == "" {
		return "", usage("There is no password: set MEMBERINTEL_USER_PASSWORD, or give stdin a line with that name, an equals sign and the password.")
	}
	return p.secrets.UserPassword, nil
}

type userPasswordCommand struct {
	Email string `required:"" placeholder:"E" help:"The person's e-mail address."`
}

// Help says where the password comes from, with an example.
func (*userPasswordCommand) Help() string {
	return "The new password is MEMBERINTEL_USER_PASSWORD, from the environment or from stdin, one NAME=value a line; it has at least 12 characters. " +
		"It counts for all tenants that the person serves, and every session of theirs ends.\n\n" +
		example("memberintel user password --email anna@oak-hill.example < user.env")
}

// Run changes the password.
func (c *userPasswordCommand) Run(ctx context.Context, p *program) error {
	password, err := p.userPassword()
	if err != nil {
		return err
	}
	return p.with(ctx, func(h *house) error {
		if err := identity.NewUsers(h.db).SetPassword(ctx, c.Email, password, actor); err != nil {
			return err
		}
		p.answer(map[string]any{"email": c.Email, "changed": true}, line("%s has the new password, and is signed out everywhere.", c.Email))
		return nil
	})
}

type userRoleCommand struct {
	Tenant string `required:"" placeholder:"T" help:"The tenant's id or name."`
	Email  string `required:"" placeholder:"E" help:"The person's e-mail address."`
	Role   string `arg:"" enum:"owner,viewer,operator" help:"owner, viewer or operator."`
}

// Help shows an example.
func (*userRoleCommand) Help() string {
	return example("memberintel user role viewer --tenant oak-hill --email anna@oak-hill.example")
}

// Run changes the role, which counts at once. The same role changes nothing.
func (c *userRoleCommand) Run(ctx context.Context, p *program) error {
	return p.withTenant(ctx, c.Tenant, func(h *house, t identity.Tenant) error {
		changed, err := identity.NewUsers(h.db).SetRole(ctx, t.ID, c.Email, identity.Role(c.Role), actor)
		if err != nil {
			return err
		}
		p.answer(map[string]any{"tenant_id": t.ID, "email": c.Email, "role": c.Role, "changed": changed},
			line("%s is %s of %s.", c.Email, c.Role, t.Name))
		return nil
	})
}
