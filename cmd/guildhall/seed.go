package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"guildhall/platform/config"
	"guildhall/platform/database"
	"guildhall/platform/seed"
	"guildhall/platform/seeding"
)

// seedCommand fills an empty database with sample data.
func seedCommand() *cobra.Command {
	var size seed.Size
	var environment string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "seed", Short: "Fill an empty database with sample data", Args: cobra.NoArgs,
		Long: "Fill an empty database with sample data: users, organizations and memberships, the same in each run and on\n" +
			"either database. All users have the same password, which this command prints. The service must not be running.\n" +
			"The service does not start on a database in which this was interrupted: start over with an empty one.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := size.Check(); err != nil {
				return usageError("%w", err)
			}
			cfg, _, err := load(cmd)
			if err != nil {
				return err
			}
			if err := maySeed(cfg, environment); err != nil {
				return err
			}
			url := cfg.DatabaseURL.Reveal()
			if path, isFile := sqlitePath(url); isFile && !isMissingFile(url) {
				if err := database.RequireUnused(cmd.Context(), path); err != nil {
					return err
				}
			}
			return withFilled(func(cmd *cobra.Command, _ []string, g *guildhall) error {
				return fill(cmd, g, size, asJSON)
			})(cmd, args)
		},
	}
	addJSONOf(cmd, &asJSON, "a JSON object of {users, organizations, memberships, seconds, first_email, last_email, password, organization_id, organization_members}")
	cmd.Flags().Int64Var(&size.Users, "users", 1000, "number of users")
	cmd.Flags().Int64Var(&size.Organizations, "organizations", 10, "number of organizations; the first one has half of the members")
	cmd.Flags().Int64Var(&size.Members, "members", 2000, "number of memberships in total")
	cmd.Flags().StringVar(&environment, "yes-in", "", "the value of ENVIRONMENT, to confirm if it is not development")
	return cmd
}

// maySeed refuses an environment other than development without --yes-in, because the
// password of the sample data is public.
func maySeed(cfg *config.Config, environment string) error {
	if cfg.Development() || environment == cfg.Environment {
		return nil
	}
	return fmt.Errorf("ENVIRONMENT is %[1]s, and the password of the sample data is public: to confirm, add --yes-in %[1]s", cfg.Environment)
}

// seedReport is what `seed --json` prints. The organization is the largest, and the first
// user owns it.
type seedReport struct {
	Users               int64     `json:"users"`
	Organizations       int64     `json:"organizations"`
	Memberships         int64     `json:"memberships"`
	Seconds             float64   `json:"seconds"`
	FirstEmail          string    `json:"first_email"`
	LastEmail           string    `json:"last_email"`
	Password            string    `json:"password"`
	OrganizationID      uuid.UUID `json:"organization_id"`
	OrganizationMembers int64     `json:"organization_members"`
}

func fill(cmd *cobra.Command, g *guildhall, size seed.Size, asJSON bool) error {
	began := time.Now()
	show, done := showProgress(cmd.ErrOrStderr())
	err := seeding.Fill(cmd.Context(), seeding.Options{DB: g.DB, Tables: g.app.Tables(), Size: size, Progress: show})
	done()
	if err != nil && cmd.Context().Err() != nil {
		return errors.New("the seed was interrupted: start over with an empty database")
	}
	if err != nil {
		return err
	}
	_, largest := size.MembersOf(0)
	r := seedReport{size.Users, size.Organizations, size.Members, since(began), seed.Email(0), seed.Email(size.Users - 1), seed.Password, seed.OrganizationID(0), largest}
	return answerWith(cmd, asJSON, r, fmt.Sprintf(`%d users, %d organizations and %d memberships created in %.1fs
All users, from %s to %s, have the password %s
%[5]s owns %[8]s, the largest organization, with %[9]d members. Start the service, and log in:

  curl -s localhost:%[10]d/api/v1/auth/token -d username=%[5]s -d password=%[7]s`,
		r.Users, r.Organizations, r.Memberships, r.Seconds, r.FirstEmail, r.LastEmail, r.Password, r.OrganizationID, r.OrganizationMembers, g.Config.Port))
}
