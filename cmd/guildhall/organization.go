package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"guildhall/modules/membership"
	"guildhall/modules/organization"
	"guildhall/platform/field"
)

// organizationCommand groups an operator's commands on organizations, as userCommand does
// for users.
func organizationCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "organization", Short: "Show, suspend, archive and transfer organizations",
		Long: "Show, suspend, archive and transfer organizations, with the permissions of a platform administrator, while the\n" +
			"service runs. Changes take effect on the next request. The audit log records them as made by the command line.\n" +
			"An organization is identified by its id, or by its name if that is unique.",
	}
	cmd.AddCommand(organizationListCommand(), organizationShowCommand(),
		organizationSuspendCommand(), organizationActivateCommand(), organizationArchiveCommand(), organizationUnarchiveCommand(),
		organizationTransferCommand())
	return cmd
}

// commandOnOrganization is commandOnPerson for organizations.
func commandOnOrganization(cmd *cobra.Command, act func(cmd *cobra.Command, g *guildhall, id uuid.UUID) (result any, summary string, err error)) *cobra.Command {
	var asJSON bool
	var which organizationReference
	cmd.Use += " ID|NAME"
	cmd.Args = oneParsed(&which)
	cmd.RunE = withService(func(cmd *cobra.Command, _ []string, g *guildhall) error {
		id, err := which.find(cmd.Context(), g)
		if err != nil {
			return err
		}
		result, summary, err := act(cmd, g, id)
		if err != nil {
			return err
		}
		return answerWith(cmd, asJSON, result, summary)
	})
	addJSON(cmd, &asJSON)
	return cmd
}

func organizationListCommand() *cobra.Command {
	var match string
	var want standing
	var asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List organizations, including archived ones", Args: cobra.NoArgs,
		RunE: withService(func(cmd *cobra.Command, _ []string, g *guildhall) error {
			match = strings.ToLower(match)
			list := filter(g.organizations.CommandLine().All(cmd.Context()), func(v organization.View) bool {
				return (want == "" || want == organizationsStanding(v)) && strings.Contains(strings.ToLower(v.Name), match)
			})
			const columns = "%-36s  %-9s  %-20s  %s"
			return printList(cmd.OutOrStdout(), asJSON, limit, list, fmt.Sprintf(columns, "ID", "STANDING", "CREATED", "NAME"), func(v organization.View) string {
				return fmt.Sprintf(columns, v.ID, organizationsStanding(v), moment(v.CreatedAt), v.Name)
			})
		}),
	}
	addListFlags(cmd, &want, &match, &limit, &asJSON, "name")
	return cmd
}

func organizationsStanding(v organization.View) standing {
	return standingOf(v.IsActive, v.IsSuspended, v.IsArchived)
}

// shownOrganization is everything that `organization show` prints. It omits the list of
// members.
type shownOrganization struct {
	organization.Details
	Owner   membership.View `json:"owner"`
	Members int64           `json:"member_count"`
}

func organizationShowCommand() *cobra.Command {
	return commandOnOrganization(&cobra.Command{
		Use: "show", Short: "Show an organization: status, owner and number of members",
		Long: "Show an organization: status, owner and number of members. `user list --organization` lists the members.",
	}, func(cmd *cobra.Command, g *guildhall, id uuid.UUID) (any, string, error) {
		o, err := loadOrganization(cmd.Context(), g, id)
		return o, o.String(), err
	})
}

func loadOrganization(ctx context.Context, g *guildhall, id uuid.UUID) (o shownOrganization, err error) {
	if o.Details, err = g.organizations.CommandLine().Show(ctx, id); err != nil {
		return o, err
	}
	o.Owner, o.Members, err = g.memberships.CommandLine().Owner(ctx, id)
	return o, err
}

func (o shownOrganization) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "id\t%s\nname\t%s\ncreated\t%s\n", o.ID, onLine(o.Name), moment(o.CreatedAt))
	fmt.Fprintf(w, "standing\t%s\n", o.standing())
	fmt.Fprintf(w, "owner\t%s, %s (%s)\nmembers\t%d\n", onLine(o.Owner.Name), o.Owner.Email, o.Owner.ID, o.Members)
	_ = w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

func (o shownOrganization) standing() string {
	s := string(organizationsStanding(o.View))
	switch {
	case o.Archive != nil:
		return explained(s, o.Archive.Reason, o.Archive.ArchivedAt, nil)
	case o.Suspension != nil && o.Suspension.ByPlatform:
		return explained(s+" by the platform", o.Suspension.Reason, o.Suspension.SuspendedAt, o.Suspension.SuspendedUntil)
	case o.Suspension != nil:
		return explained(s+" by its owner", o.Suspension.Reason, o.Suspension.SuspendedAt, o.Suspension.SuspendedUntil)
	default:
		return s
	}
}

func named(v organization.View) string { return fmt.Sprintf("%s (%s)", onLine(v.Name), v.ID) }

func organizationSuspendCommand() *cobra.Command {
	var reason field.Reason
	var until deadline
	cmd := commandOnOrganization(&cobra.Command{
		Use: "suspend", Short: "Suspend an organization; its owner cannot reactivate it",
	}, func(cmd *cobra.Command, g *guildhall, id uuid.UUID) (any, string, error) {
		v, err := g.organizations.CommandLine().Suspend(cmd.Context(), id, reason, until.at)
		return v, named(v) + " is suspended" + ending(until), err
	})
	addParsed(cmd.Flags(), &reason, "reason", "string", "why; shown to its admins")
	addUntil(cmd, &until)
	required(cmd, "reason")
	return cmd
}

func organizationActivateCommand() *cobra.Command {
	return commandOnOrganization(&cobra.Command{
		Use: "activate", Short: "End any suspension of an organization",
	}, func(cmd *cobra.Command, g *guildhall, id uuid.UUID) (any, string, error) {
		v, err := g.organizations.CommandLine().Activate(cmd.Context(), id)
		return v, named(v) + " is active", err
	})
}

func organizationArchiveCommand() *cobra.Command {
	var reason field.Reason
	cmd := commandOnOrganization(&cobra.Command{
		Use: "archive", Short: "Archive an organization: only its owner can see and restore it",
	}, func(cmd *cobra.Command, g *guildhall, id uuid.UUID) (any, string, error) {
		v, err := g.organizations.CommandLine().Archive(cmd.Context(), id, reason)
		return v, named(v) + " is archived", err
	})
	addParsed(cmd.Flags(), &reason, "reason", "string", "why; shown to its admins")
	required(cmd, "reason")
	return cmd
}

func organizationUnarchiveCommand() *cobra.Command {
	var reason field.Reason
	cmd := commandOnOrganization(&cobra.Command{
		Use: "unarchive", Short: "Restore an archived organization",
	}, func(cmd *cobra.Command, g *guildhall, id uuid.UUID) (any, string, error) {
		v, err := g.organizations.CommandLine().Unarchive(cmd.Context(), id, ifGiven(cmd, &reason))
		return v, named(v) + " is restored", err
	})
	addParsed(cmd.Flags(), &reason, "reason", "string", "why; shown to its admins")
	return cmd
}

func organizationTransferCommand() *cobra.Command {
	var asJSON bool
	var which organizationReference
	var who personReference
	cmd := &cobra.Command{
		Use: "transfer ID|NAME EMAIL|ID", Short: "Make a member the owner; the former owner becomes an admin",
		Args: cobra.MatchAll(cobra.ExactArgs(2),
			func(cmd *cobra.Command, args []string) error { return oneParsed(&which)(cmd, args[:1]) },
			func(cmd *cobra.Command, args []string) error { return oneParsed(&who)(cmd, args[1:]) }),
		RunE: withService(func(cmd *cobra.Command, args []string, g *guildhall) error {
			id, err := which.find(cmd.Context(), g)
			if err != nil {
				return err
			}
			newOwner, err := who.find(cmd.Context(), g)
			if err != nil {
				return err
			}
			v, err := g.memberships.CommandLine().Transfer(cmd.Context(), id, newOwner)
			if err != nil {
				return err
			}
			return answerWith(cmd, asJSON, v, fmt.Sprintf("%s owns the organization %s", args[1], id))
		}),
	}
	addJSON(cmd, &asJSON)
	return cmd
}
