package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"guildhall/platform/field"
	"guildhall/platform/mail"
)

// mailCommand groups the operator's commands on mail.
func mailCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "mail", Short: "Try sending mail, and show the outbox"}
	cmd.AddCommand(mailTestCommand(), mailOutboxCommand(), mailAllowCommand())
	return cmd
}

func mailTestCommand() *cobra.Command {
	var to field.Email
	var locale string
	cmd := &cobra.Command{
		Use: "test ADDRESS", Short: "Send a test mail now",
		Long: "Sends a test mail with the configured transport, without the outbox. If that fails, the error names the stage:\n" +
			"resolving, connecting, greeting, TLS, authentication, sender, recipient or content.",
		Args: oneParsed(&to),
		RunE: withService(func(cmd *cobra.Command, _ []string, g *guildhall) error {
			if err := g.Mail.Try(cmd.Context(), string(to), locale); err != nil {
				return fmt.Errorf("the mail was not sent: %w", err)
			}
			where := "the SMTP server has accepted the mail; if it does not arrive, look for bounces"
			if g.Mail.InMailbox() {
				where = "the mail is in the development mailbox: " + g.Config.LinkBase() + mail.MailboxPath
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), where)
			return err
		}),
	}
	cmd.Flags().StringVar(&locale, "locale", "", "language: "+strings.Join(mail.Locales, " or ")+" (default MAIL_DEFAULT_LOCALE)")
	return cmd
}

func mailOutboxCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "outbox", Short: "Show how many mails wait, and which could not be sent", Args: cobra.NoArgs,
		RunE: withService(func(cmd *cobra.Command, _ []string, g *guildhall) error {
			state, err := g.Mail.State(cmd.Context())
			if err != nil {
				return err
			}
			return answerWith(cmd, asJSON, state, describeOutbox(state))
		}),
	}
	addJSONOf(cmd, &asJSON, "{pending, failed, suppressed, oldest, troubled}")
	return cmd
}

func describeOutbox(q mail.Queue) string {
	var b strings.Builder
	fmt.Fprintf(&b, "pending: %d", q.Pending)
	if q.Oldest != nil {
		fmt.Fprintf(&b, ", the oldest from %s", q.Oldest.Format("2006-01-02 15:04:05Z"))
	}
	fmt.Fprintf(&b, "\nfailed in 14 days: %d\nsuppressed addresses: %d", q.Failed, q.Suppressed)
	for _, m := range q.Troubled {
		fmt.Fprintf(&b, "\n%s  %s  %s to %s: %s (attempts: %d)", m.CreatedAt.Format("2006-01-02 15:04:05Z"), m.State, m.Kind, m.Recipient, m.Problem, m.Attempts)
	}
	return b.String()
}

func mailAllowCommand() *cobra.Command {
	var address field.Email
	return &cobra.Command{
		Use: "allow ADDRESS", Short: "Send mail again to an address that a server refused for good",
		Args: oneParsed(&address),
		RunE: withService(func(cmd *cobra.Command, _ []string, g *guildhall) error {
			was, err := g.Mail.Allow(cmd.Context(), string(address))
			if err != nil {
				return err
			}
			told := "mail is sent to this address again"
			if !was {
				told = "mail to this address was not suppressed"
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), told)
			return err
		}),
	}
}
