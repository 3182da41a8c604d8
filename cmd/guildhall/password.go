package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"guildhall/platform/field"
)

func setPassword(cmd *cobra.Command, args []string, g *guildhall) error {
	return forAccount(cmd.Context(), g, args[0], func(ctx context.Context, id uuid.UUID) error {
		chosen, err := readNewPassword(cmd)
		if err != nil {
			return err
		}
		if err := g.auth.CommandLine().SetPassword(ctx, id, chosen); err != nil {
			return err
		}
		left, err := loginObstacles(ctx, g, id)
		if err != nil {
			return err
		}
		return answerWith(cmd, false, nil, args[0]+" has a new password; their sessions were ended, and their failed log-ins reset"+left)
	})
}

func readNewPassword(cmd *cobra.Command) (chosen field.NewPassword, err error) {
	fmt.Fprintln(cmd.ErrOrStderr(), "Password (one line on standard input):")
	line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	if err != nil && line == "" {
		return "", errors.New("no password on standard input")
	}
	if err := chosen.UnmarshalText([]byte(strings.TrimRight(line, "\r\n"))); err != nil {
		return "", fmt.Errorf("the password %w", err)
	}
	return chosen, nil
}
