package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"guildhall/modules/user"
	"guildhall/platform/access"
	"guildhall/platform/backup"
	"guildhall/platform/field"
	"guildhall/platform/person"
)

// adminCommand manages platform administrators.
func adminCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "admin", Short: "Manage platform administrators and set passwords"}
	cmd.AddCommand(createAdminCommand(),
		&cobra.Command{
			Use: "grant EMAIL", Short: "Make a user a platform administrator", Args: cobra.ExactArgs(1),
			RunE: withService(func(cmd *cobra.Command, args []string, g *guildhall) error {
				return forAccount(cmd.Context(), g, args[0], func(ctx context.Context, id uuid.UUID) error {
					if err := platformAdmins(g).Grant(ctx, id); err != nil {
						return err
					}
					left, err := loginObstacles(ctx, g, id)
					if err != nil {
						return err
					}
					return answerWith(cmd, false, nil, args[0]+" is a platform administrator"+left)
				})
			}),
		},
		&cobra.Command{
			Use: "link", Short: "Print a link with which the first platform administrator creates their account", Args: cobra.NoArgs,
			Long: "Print a link to a page on which one person creates their account and becomes the first platform administrator.\n" +
				"The link can be used once, within a day. Needs PUBLIC_URL, except in development.",
			RunE: withService(func(cmd *cobra.Command, _ []string, g *guildhall) error {
				base := g.Config.PageBase()
				if base == "" {
					return errors.New("set PUBLIC_URL: without it, nobody knows the address of the pages")
				}
				link, err := g.auth.CommandLine().SetUpLink(cmd.Context(), base)
				if err != nil {
					return err
				}
				return answerWith(cmd, false, nil, link)
			}),
		},
		revokeAdminCommand(),
		listAdminsCommand(),
		listErasedCommand(),
		&cobra.Command{
			Use: "set-password EMAIL", Short: "Set a user's password, and end their sessions", Args: cobra.ExactArgs(1),
			Long: "Set a user's password, for example a first or a forgotten one, end their sessions and reset their failed log-ins\n" +
				"(as `user unlock` does). The password is read from standard input, one line.",
			RunE: withService(setPassword),
		},
		&cobra.Command{
			Use: "verify-email EMAIL", Short: "Mark a user's email address as theirs", Args: cobra.ExactArgs(1),
			Long: "Mark a user's email address as theirs without a mail to it, because you know that it is. Their password and sessions stay.",
			RunE: withService(func(cmd *cobra.Command, args []string, g *guildhall) error {
				return forAccount(cmd.Context(), g, args[0], func(ctx context.Context, id uuid.UUID) error {
					if err := g.auth.CommandLine().VerifyEmail(ctx, id); err != nil {
						return err
					}
					return answerWith(cmd, false, nil, args[0]+" is verified")
				})
			}),
		},
		&cobra.Command{
			Use: "reset-factors EMAIL", Short: "Remove a user's second factors, and end their sessions", Args: cobra.ExactArgs(1),
			Long: "Remove every second factor and recovery code of a user who lost theirs, and end their sessions. Make sure first that it is\n" +
				"they who ask: afterwards their password, or their mailbox, is enough to log in. A mail tells them.",
			RunE: withService(func(cmd *cobra.Command, args []string, g *guildhall) error {
				return forAccount(cmd.Context(), g, args[0], func(ctx context.Context, id uuid.UUID) error {
					if err := g.auth.CommandLine().ResetFactors(ctx, id); err != nil {
						return err
					}
					return answerWith(cmd, false, nil, args[0]+" has no second factor any more")
				})
			}),
		},
	)
	return cmd
}

func revokeAdminCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "revoke EMAIL", Short: "Revoke platform administrator", Args: cobra.ExactArgs(1),
		Long: "Revoke platform administrator from a user. Revoking the last one who can log in requires --force, because nobody\n" +
			"could then create accounts or act on them over the API. Commands on the server need no administrator.",
		RunE: withService(func(cmd *cobra.Command, args []string, g *guildhall) error {
			return forAccount(cmd.Context(), g, args[0], func(ctx context.Context, id uuid.UUID) error {
				was, err := platformAdmins(g).Revoke(ctx, id, force)
				switch {
				case errors.Is(err, access.ErrLastPlatformAdmin):
					return fmt.Errorf("%s is the last platform administrator who can log in: name another first (`guildhall admin grant`), or repeat this with --force", args[0])
				case err != nil:
					return err
				case !was:
					return fmt.Errorf("%s is not a platform administrator", args[0])
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), args[0], "is no longer a platform administrator")
				return err
			})
		}),
	}
	cmd.Flags().BoolVar(&force, "force", false, "also revoke the last one who can log in")
	return cmd
}

func listAdminsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List platform administrators", Args: cobra.NoArgs,
		RunE: withService(func(cmd *cobra.Command, _ []string, g *guildhall) error {
			list, err := platformAdmins(g).List(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), append([]access.PlatformAdmin{}, list...))
			}
			for _, o := range list {
				fmt.Fprintf(cmd.OutOrStdout(), "%s\t%s\tsince %s\n", o.UserID, o.Email, moment(o.GrantedAt))
			}
			return nil
		}),
	}
	addJSONOf(cmd, &asJSON, "a JSON array of {user_id, email, name, granted_at}")
	return cmd
}

// listErasedCommand prints the list that a restore of an earlier backup needs.
func listErasedCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "erased", Short: "List the people who were erased", Args: cobra.NoArgs,
		Long: "Print the id of each person who was erased, and when, as in erased.txt beside the backups. Keep a copy where you keep\n" +
			"copies of backups: `guildhall restore --erased FILE` erases them again.",
		RunE: withService(func(cmd *cobra.Command, _ []string, g *guildhall) error {
			people, err := person.ErasedIn(cmd.Context(), g.DB)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), append([]person.Erased{}, people...))
			}
			for _, p := range people {
				fmt.Fprintln(cmd.OutOrStdout(), backup.ErasedLine(p))
			}
			return nil
		}),
	}
	addJSONOf(cmd, &asJSON, "a JSON array of {user_id, erased_at}")
	return cmd
}

func platformAdmins(g *guildhall) *access.PlatformAdmins {
	return access.NewPlatformAdmins(g.DB, g.Trail, g.Now)
}

func forAccount(ctx context.Context, g *guildhall, email string, act func(context.Context, uuid.UUID) error) error {
	id, err := findAccount(ctx, g, email)
	if err != nil {
		return err
	}
	return act(ctx, id)
}

func createAdminCommand() *cobra.Command {
	var email field.Email
	name := field.Name("Administrator")
	cmd := &cobra.Command{
		Use: "create EMAIL", Short: "Create an account that is a platform administrator",
		Long: "Create an account that is a platform administrator. The password is read from standard input, one line.",
		Args: oneParsed(&email),
		RunE: withService(func(cmd *cobra.Command, _ []string, g *guildhall) error {
			chosen, err := readNewPassword(cmd)
			if err != nil {
				return err
			}
			made, err := g.users.CommandLine().Create(cmd.Context(), user.NewUser{Email: email, Name: name, Password: chosen}, platformAdmins(g).Grant)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), email, "is a platform administrator:", made.ID)
			return nil
		}),
	}
	addParsed(cmd.Flags(), &name, "name", "string", `the user's name (default "Administrator")`)
	return cmd
}
