package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"guildhall/modules/auth"
	"guildhall/modules/organization"
	"guildhall/modules/user"
	"guildhall/platform/access"
	"guildhall/platform/field"
)

// userCommand groups an operator's commands on users. They run on the server with the
// permissions of a platform administrator, under the rules of the API.
func userCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "user", Short: "Create, show, suspend, archive and unlock users",
		Long: "Create, show, suspend, archive and unlock users, and manage their sessions, with the permissions of a platform\n" +
			"administrator, while the service runs. Changes take effect on the next request. The audit log records them as\n" +
			"made by the command line. A user is identified by email address or id.",
	}
	cmd.AddCommand(userListCommand(), userShowCommand(), userCreateCommand(),
		userSuspendCommand(), userActivateCommand(), userDeactivateCommand(), userArchiveCommand(), userUnarchiveCommand(), userEraseCommand(), userExportCommand(),
		userSessionsCommand(), userEndSessionsCommand(), userUnlockCommand())
	return cmd
}

// commandOnPerson adds the EMAIL|ID argument and --json to a command that acts on one user.
// The command prints the result of act as JSON, or else its summary.
func commandOnPerson(cmd *cobra.Command, act func(cmd *cobra.Command, g *guildhall, id uuid.UUID) (result any, summary string, err error)) *cobra.Command {
	var who personReference
	var asJSON bool
	cmd.Use += " EMAIL|ID"
	cmd.Args = oneParsed(&who)
	cmd.RunE = withService(func(cmd *cobra.Command, _ []string, g *guildhall) error {
		id, err := who.find(cmd.Context(), g)
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

func addJSON(cmd *cobra.Command, asJSON *bool) {
	addJSONOf(cmd, asJSON, "JSON, with the members that the API has")
}

// addJSONOf is addJSON for output that the API does not have.
func addJSONOf(cmd *cobra.Command, asJSON *bool, members string) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print "+members)
}

func answerWith(cmd *cobra.Command, asJSON bool, result any, summary string) error {
	return answerOn(cmd.OutOrStdout(), asJSON, result, summary)
}

// answerOn is answerWith on another writer, because the command may write its file to
// standard output.
func answerOn(out io.Writer, asJSON bool, result any, summary string) error {
	if asJSON {
		return printJSON(out, result)
	}
	_, err := fmt.Fprintln(out, forTerminal(summary))
	return err
}

func userListCommand() *cobra.Command {
	var within organizationReference
	var match string
	var want standing
	var asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List users", Args: cobra.NoArgs,
		Long: "List users, oldest accounts first. With --organization, the status combines the account and the membership.",
		RunE: withService(func(cmd *cobra.Command, _ []string, g *guildhall) error {
			organizationID, err := within.findIfGiven(cmd.Context(), g)
			if err != nil {
				return err
			}
			match = strings.ToLower(match)
			people := filter(g.users.CommandLine().All(cmd.Context(), organizationID), func(v user.View) bool {
				return (want == "" || want == personsStanding(v)) &&
					(strings.Contains(strings.ToLower(v.Email), match) || strings.Contains(strings.ToLower(v.Name), match))
			})
			const columns = "%-36s  %-9s  %-20s  %-32s  %s"
			return printList(cmd.OutOrStdout(), asJSON, limit, people, fmt.Sprintf(columns, "ID", "STANDING", "REGISTERED", "EMAIL", "NAME"), func(v user.View) string {
				return fmt.Sprintf(columns, v.ID, personsStanding(v), moment(v.CreatedAt), v.Email, v.Name)
			})
		}),
	}
	addParsed(cmd.Flags(), &within, "organization", "string", "only members of this organization, by its id, or by its name if that is unique")
	addListFlags(cmd, &want, &match, &limit, &asJSON, "email address or name")
	return cmd
}

func addListFlags(cmd *cobra.Command, want *standing, match *string, limit *int, asJSON *bool, matched string) {
	addParsed(cmd.Flags(), want, "standing", "string", "only those that are "+strings.Join(standings(), ", "))
	_ = cmd.RegisterFlagCompletionFunc("standing", cobra.FixedCompletions(standings(), cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().StringVar(match, "match", "", "only those whose "+matched+" contains this, ignoring case")
	addLimit(cmd, limit)
	addJSON(cmd, asJSON)
}

func addLimit(cmd *cobra.Command, limit *int) {
	addParsed(cmd.Flags(), (*atLeastOne)(limit), "limit", "int", "list no more than this many (default all)")
}

func personsStanding(v user.View) standing {
	return standingOf(v.IsActive, v.IsSuspended, v.IsArchived)
}

// shownPerson is everything that `user show` prints.
type shownPerson struct {
	user.Details
	Organizations []shownMembership `json:"organizations"`
	Sessions      []auth.Session    `json:"sessions"`
	Limits        []auth.Limit      `json:"limits"`
}

// shownMembership is an organization with its own standing and the person's in it.
type shownMembership struct {
	organization.Membership
	Within user.Membership `json:"membership"`
}

func userShowCommand() *cobra.Command {
	return commandOnPerson(&cobra.Command{
		Use: "show", Short: "Show an account: status, organizations, sessions, and active rate limits",
	}, func(cmd *cobra.Command, g *guildhall, id uuid.UUID) (any, string, error) {
		p, err := loadPerson(cmd, g, id)
		return p, p.String(), err
	})
}

func loadPerson(cmd *cobra.Command, g *guildhall, id uuid.UUID) (p shownPerson, err error) {
	ctx := cmd.Context()
	if p.Details, err = g.users.CommandLine().Show(ctx, id); err != nil {
		return p, err
	}
	p.Organizations = []shownMembership{}
	for o, err := range g.organizations.CommandLine().Of(ctx, id) {
		if err != nil {
			return p, err
		}
		within, err := g.users.CommandLine().Within(ctx, id, o.ID)
		if err != nil {
			return p, err
		}
		p.Organizations = append(p.Organizations, shownMembership{o, within})
	}
	if p.Sessions, err = collect(g.auth.CommandLine().Sessions(ctx, id)); err != nil {
		return p, err
	}
	p.Limits, err = g.auth.CommandLine().Limits(ctx, id)
	return p, err
}

func (p shownPerson) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "id\t%s\nemail\t%s\nname\t%s\nregistered\t%s\n", p.ID, p.Email, onLine(p.Name), moment(p.CreatedAt))
	fmt.Fprintf(w, "standing\t%s\n", p.standing())
	if p.IsPlatformAdministrator {
		fmt.Fprintf(w, "role\tplatform administrator\n")
	}
	_ = w.Flush()
	table := func(title string, n int, headings string, line func(i int) string) {
		fmt.Fprintf(&b, "\n%s: %d\n", title, n)
		if n == 0 {
			return
		}
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "  "+headings)
		for i := range n {
			fmt.Fprintln(w, "  "+line(i))
		}
		_ = w.Flush()
	}
	table("organizations", len(p.Organizations), "ID\tROLE\tJOINED\tORGANIZATION\tMEMBERSHIP\tNAME", func(i int) string {
		o := p.Organizations[i]
		there := string(standingOf(o.Within.IsActive, o.Within.IsSuspended, false))
		if s := o.Within.Suspension; s != nil {
			there = explained(there, s.Reason, s.SuspendedAt, s.SuspendedUntil)
		}
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", o.ID, o.Role, moment(*o.JoinedAt), standingOf(o.IsActive, o.IsSuspended, o.IsArchived), there, onLine(o.Name))
	})
	table("sessions", len(p.Sessions), sessionHeadings, func(i int) string { return strings.Join(sessionColumns(p.Sessions[i]), "\t") })
	table("active rate limits", len(p.Limits), "LIMIT\tFROM\tSECONDS LEFT", func(i int) string {
		l := p.Limits[i]
		return fmt.Sprintf("%s\t%s\t%d", l.Name, orAnywhere(l.Address), l.RetryAfter)
	})
	return strings.TrimSuffix(b.String(), "\n")
}

func orAnywhere(address string) string {
	if address == "" {
		return "anywhere"
	}
	return address
}

func (p shownPerson) standing() string {
	s := string(personsStanding(p.View))
	switch {
	case p.Archive != nil:
		return explained(s, p.Archive.Reason, p.Archive.ArchivedAt, nil)
	case p.Suspension != nil:
		return explained(s, p.Suspension.Reason, p.Suspension.SuspendedAt, p.Suspension.SuspendedUntil)
	default:
		return s
	}
}

func userCreateCommand() *cobra.Command {
	n := user.NewUser{Role: new(access.JoiningRole)}
	var within organizationReference
	var withoutPassword, asJSON bool
	cmd := &cobra.Command{
		Use: "create EMAIL", Short: "Create an account, even if registration is off",
		Long: "Create an account, even if registration is off. The password is read from standard input, one line. With\n" +
			"--no-password nobody can log in until `admin set-password` sets one. Without --organization the user is in no\n" +
			"organization until they create one or are added to one.",
		Args: oneParsed(&n.Email),
	}
	cmd.RunE = withService(func(cmd *cobra.Command, _ []string, g *guildhall) (err error) {
		if cmd.Flags().Changed("role") && within == "" {
			return usageError("--role needs --organization: the role is in an organization")
		}
		if n.OrganizationID, err = within.findIfGiven(cmd.Context(), g); err != nil {
			return err
		}
		if !withoutPassword {
			if n.Password, err = readNewPassword(cmd); err != nil {
				return err
			}
		}
		v, err := g.users.CommandLine().Create(cmd.Context(), n, func(context.Context, uuid.UUID) error { return nil })
		if err != nil {
			return err
		}
		summary := v.Email + " has an account: " + v.ID.String()
		if n.OrganizationID.Valid {
			summary += "\nThey are in the organization " + n.OrganizationID.UUID.String() + "."
		}
		if withoutPassword {
			summary += "\nIt has no password yet: set one with `guildhall admin set-password " + v.Email + "`."
		}
		return answerWith(cmd, asJSON, v, summary)
	})
	addParsed(cmd.Flags(), &n.Name, "name", "string", "the user's name")
	addParsed(cmd.Flags(), &within, "organization", "string", "an organization that the user joins, by its id, or by its name if that is unique")
	addParsed(cmd.Flags(), n.Role, "role", "string", "the role in the organization, member or admin (default member)")
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]string{"member", "admin"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().BoolVar(&withoutPassword, "no-password", false, "create the account without a password")
	addJSON(cmd, &asJSON)
	required(cmd, "name")
	return cmd
}

func userSuspendCommand() *cobra.Command {
	var reason field.Reason
	var until deadline
	var within organizationReference
	cmd := commandOnPerson(&cobra.Command{
		Use: "suspend", Short: "Suspend an account, or with --organization a member there",
		Long: "Suspend an account, or with --organization a member there. A suspended account can't log in, and its sessions\n" +
			"end. `user activate` ends the suspension.",
	}, func(cmd *cobra.Command, g *guildhall, id uuid.UUID) (any, string, error) {
		organizationID, err := within.findIfGiven(cmd.Context(), g)
		if err != nil {
			return nil, "", err
		}
		v, err := g.users.CommandLine().Suspend(cmd.Context(), id, organizationID, reason, until.at)
		return v, v.Email + " is suspended" + where(organizationID) + ending(until), err
	})
	addParsed(cmd.Flags(), &reason, "reason", "string", "why; shown to platform administrators, or with --organization to its admins")
	addUntil(cmd, &until)
	addWithin(cmd, &within)
	required(cmd, "reason")
	return cmd
}

func addUntil(cmd *cobra.Command, until *deadline) {
	addParsed(cmd.Flags(), until, "until", "time", "when it ends by itself: a time such as 2026-01-31T12:00:00Z, or how long from now, such as 72h or 7d (default: when it is lifted)")
}

func addWithin(cmd *cobra.Command, within *organizationReference) {
	addParsed(cmd.Flags(), within, "organization", "string", "act on the membership in this organization and not on the account; by its id, or by its name if that is unique")
}

func where(organizationID uuid.NullUUID) string {
	if !organizationID.Valid {
		return ""
	}
	return " in the organization " + organizationID.UUID.String()
}

func ending(until deadline) string {
	if until.at == nil {
		return ""
	}
	return " until " + moment(until.at.Time)
}

func userActivateCommand() *cobra.Command {
	var within organizationReference
	cmd := commandOnPerson(&cobra.Command{
		Use: "activate", Short: "Activate an account or a member, and end any suspension",
	}, func(cmd *cobra.Command, g *guildhall, id uuid.UUID) (any, string, error) {
		organizationID, err := within.findIfGiven(cmd.Context(), g)
		if err != nil {
			return nil, "", err
		}
		v, err := g.users.CommandLine().Activate(cmd.Context(), id, organizationID)
		return v, v.Email + " is active" + where(organizationID), err
	})
	addWithin(cmd, &within)
	return cmd
}

func userDeactivateCommand() *cobra.Command {
	var within organizationReference
	cmd := commandOnPerson(&cobra.Command{
		Use: "deactivate", Short: "Deactivate an account, or with --organization a member there",
		Long: "Deactivate an account, or with --organization a member there: like `user suspend`, without a reason and without\n" +
			"an end.",
	}, func(cmd *cobra.Command, g *guildhall, id uuid.UUID) (any, string, error) {
		organizationID, err := within.findIfGiven(cmd.Context(), g)
		if err != nil {
			return nil, "", err
		}
		v, err := g.users.CommandLine().Deactivate(cmd.Context(), id, organizationID)
		return v, v.Email + " is inactive" + where(organizationID), err
	})
	addWithin(cmd, &within)
	return cmd
}

func userArchiveCommand() *cobra.Command {
	var reason field.Reason
	cmd := commandOnPerson(&cobra.Command{
		Use: "archive", Short: "Archive an account, and the organizations without other members",
	}, func(cmd *cobra.Command, g *guildhall, id uuid.UUID) (any, string, error) {
		v, err := g.users.CommandLine().Archive(cmd.Context(), id, reason)
		return v, v.Email + " is archived", err
	})
	addParsed(cmd.Flags(), &reason, "reason", "string", "why; shown to platform administrators")
	required(cmd, "reason")
	return cmd
}

func userUnarchiveCommand() *cobra.Command {
	var reason field.Reason
	cmd := commandOnPerson(&cobra.Command{
		Use: "unarchive", Short: "Restore an archived account; its organizations stay archived",
	}, func(cmd *cobra.Command, g *guildhall, id uuid.UUID) (any, string, error) {
		v, err := g.users.CommandLine().Unarchive(cmd.Context(), id, ifGiven(cmd, &reason))
		return v, v.Email + " is restored", err
	})
	addParsed(cmd.Flags(), &reason, "reason", "string", "why; shown to platform administrators")
	return cmd
}

func userEraseCommand() *cobra.Command {
	return commandOnPerson(&cobra.Command{
		Use: "erase", Short: "Archive an account, and erase everything personal after ERASE_AFTER_DAYS",
		Long: "Archive an account, and the organizations without other members. After ERASE_AFTER_DAYS everything personal is deleted,\n" +
			"and only the id stays. Until then `user unarchive` cancels it. A mail tells the person.",
	}, func(cmd *cobra.Command, g *guildhall, id uuid.UUID) (any, string, error) {
		e, err := g.users.CommandLine().Erase(cmd.Context(), id)
		return e, "it will be erased at " + moment(e.ErasedAt), err
	})
}

func userExportCommand() *cobra.Command {
	var who personReference
	return &cobra.Command{
		Use: "export EMAIL|ID", Short: "Print what the service holds about a person, as JSON", Args: oneParsed(&who),
		RunE: withService(func(cmd *cobra.Command, _ []string, g *guildhall) error {
			id, err := who.find(cmd.Context(), g)
			if err != nil {
				return err
			}
			text, err := g.users.CommandLine().Export(cmd.Context(), id)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), string(text))
			return err
		}),
	}
}

// ifGiven returns an optional reason, or nil if the flag was not given.
func ifGiven(cmd *cobra.Command, reason *field.Reason) *field.Reason {
	if !cmd.Flags().Changed("reason") {
		return nil
	}
	return reason
}

const sessionHeadings = "ID\tBEGAN\tLAST USED\tEXPIRES\tADDRESS\tCLIENT"

func sessionColumns(s auth.Session) []string {
	return []string{s.ID.String(), moment(s.CreatedAt), moment(s.LastUsedAt), moment(s.ExpiresAt), s.Address, s.Client}
}

func userSessionsCommand() *cobra.Command {
	var who personReference
	var asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use: "sessions EMAIL|ID", Short: "List a user's sessions", Args: oneParsed(&who),
		RunE: withService(func(cmd *cobra.Command, _ []string, g *guildhall) error {
			id, err := who.find(cmd.Context(), g)
			if err != nil {
				return err
			}
			const columns = "%-36s  %-20s  %-20s  %-20s  %-15s  %s"
			line := func(texts []string) string {
				return fmt.Sprintf(columns, texts[0], texts[1], texts[2], texts[3], texts[4], texts[5])
			}
			sessions := g.auth.CommandLine().Sessions(cmd.Context(), id)
			return printList(cmd.OutOrStdout(), asJSON, limit, sessions, line(strings.Split(sessionHeadings, "\t")), func(s auth.Session) string {
				return line(sessionColumns(s))
			})
		}),
	}
	addLimit(cmd, &limit)
	addJSON(cmd, &asJSON)
	return cmd
}

func userEndSessionsCommand() *cobra.Command {
	return commandOnPerson(&cobra.Command{
		Use: "end-sessions", Short: "Log a user out everywhere",
	}, func(cmd *cobra.Command, g *guildhall, id uuid.UUID) (any, string, error) {
		n, err := g.auth.CommandLine().EndSessions(cmd.Context(), id)
		return map[string]any{"user_id": id, "sessions": n}, fmt.Sprintf("%d sessions were ended", n), err
	})
}

func userUnlockCommand() *cobra.Command {
	return commandOnPerson(&cobra.Command{
		Use: "unlock", Short: "Reset the rate limits on a user's email address",
		Long: "Reset the rate limits on a user's email address, so that they can try to log in again. Limits on a network\n" +
			"address remain, because other users share it.",
	}, func(cmd *cobra.Command, g *guildhall, id uuid.UUID) (any, string, error) {
		if err := g.auth.CommandLine().Unlock(cmd.Context(), id); err != nil {
			return nil, "", err
		}
		left, err := g.auth.CommandLine().Limits(cmd.Context(), id)
		if err != nil {
			return nil, "", err
		}
		out, err := loginObstacles(cmd.Context(), g, id)
		return map[string]any{"user_id": id, "limits": left}, "the rate limits on their email address were reset" + out, err
	})
}

// loginObstacles returns a line for each reason why a user still can't log in after a command
// that was meant to let them.
func loginObstacles(ctx context.Context, g *guildhall, id uuid.UUID) (summary string, err error) {
	var p shownPerson
	if p.Details, err = g.users.CommandLine().Show(ctx, id); err != nil {
		return "", err
	}
	if s := personsStanding(p.View); s != active {
		lifts := "activate"
		if s == archived {
			lifts = "unarchive"
		}
		summary += fmt.Sprintf("\nbut they can't log in: the account is %s\n`guildhall user %s %s` changes that", p.standing(), lifts, p.Email)
	}
	left, err := g.auth.CommandLine().Limits(ctx, id)
	for _, l := range left {
		summary += fmt.Sprintf("\nbut log-ins from %s are refused for another %d s: too many attempts", orAnywhere(l.Address), l.RetryAfter)
	}
	return summary, err
}
