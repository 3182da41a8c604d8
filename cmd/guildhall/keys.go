package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"guildhall/platform/signing"
	"guildhall/platform/token"
)

// keysCommand groups the commands on the keys that sign access tokens.
func keysCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "keys", Short: "List and rotate the keys that sign access tokens"}
	cmd.AddCommand(listKeysCommand(), rotateKeysCommand())
	return cmd
}

func listKeysCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the keys that sign and verify access tokens", Args: cobra.NoArgs,
		RunE: withService(func(cmd *cobra.Command, _ []string, g *guildhall) error {
			keys, err := g.Keyset.Keys(cmd.Context())
			if err != nil {
				return err
			}
			return answerWith(cmd, asJSON, struct {
				Keys []signing.Key `json:"keys"`
			}{append([]signing.Key{}, keys...)}, tableOf(keys))
		}),
	}
	addJSONOf(cmd, &asJSON, "a JSON object of {keys}: an array of {id, algorithm, state, created_at, signs_from, ends_at}")
	return cmd
}

func tableOf(keys []signing.Key) string {
	if len(keys) == 0 {
		return "no keys yet: the service makes one when it starts"
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tALGORITHM\tSTATE\tSIGNS FROM\tENDS")
	for _, k := range keys {
		ends := "-"
		if k.EndsAt != nil {
			ends = k.EndsAt.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.Algorithm, k.State, k.SignsFrom.Format(time.RFC3339), ends)
	}
	_ = w.Flush() // a strings.Builder never fails
	return strings.TrimSuffix(b.String(), "\n")
}

func rotateKeysCommand() *cobra.Command {
	var asJSON, now bool
	var algorithm string
	cmd := &cobra.Command{
		Use: "rotate", Short: "Make another key that signs access tokens", Args: cobra.NoArgs,
		Long: "Make another key that signs access tokens. It is published at once and signs 15 minutes later, when every program\n" +
			"that verifies tokens has learned it. The former key verifies until the last of its tokens has expired: no request is\n" +
			"refused. The service may be running.\n\n" +
			"After the theft of a key, --now revokes all former keys: the access tokens that they signed are refused, by every\n" +
			"process within a minute. Sessions live on: clients refresh their tokens.",
		RunE: withService(func(cmd *cobra.Command, _ []string, g *guildhall) error {
			if algorithm != "" && !slices.Contains(token.Algorithms, algorithm) {
				return usageError("--algorithm is none of %s", strings.Join(token.Algorithms, ", "))
			}
			if g.Config.JWTSecretKey == "" {
				return errors.New("start the service first: it makes the secret with which keys are encrypted")
			}
			key, err := g.Keyset.Rotate(cmd.Context(), algorithm, now)
			if errors.Is(err, signing.ErrWaiting) {
				return fmt.Errorf("%w: see `guildhall keys list`, or revoke all keys with --now", err)
			}
			if err != nil {
				return err
			}
			summary := fmt.Sprintf("%s (%s) signs from %s", key.ID, key.Algorithm, key.SignsFrom.Format(time.RFC3339))
			if now {
				summary += "; the former keys are revoked"
			}
			return answerWith(cmd, asJSON, key, summary)
		}),
	}
	cmd.Flags().StringVar(&algorithm, "algorithm", "", "of the new key: "+strings.Join(token.Algorithms, ", ")+" (default JWT_ALGORITHM)")
	cmd.Flags().BoolVar(&now, "now", false, "revoke the former keys, and sign with the new one at once")
	addJSONOf(cmd, &asJSON, "a JSON object of {id, algorithm, state, created_at, signs_from, ends_at}")
	return cmd
}
