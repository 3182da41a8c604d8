package main

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"guildhall/platform"
	"guildhall/platform/config"
	"guildhall/platform/telemetry"
)

func serve(cmd *cobra.Command, _ []string) (err error) {
	ctx := cmd.Context()
	ignoreSIGPIPE()
	cfg, log, err := load(cmd)
	if err != nil {
		return err
	}
	lost := &telemetry.LostLines{}
	log = slog.New(lost.Handler(log.Handler()))
	listening := false
	defer func() { // after everything else has been closed
		switch {
		case listening && err != nil:
			log.Error("stopped", "cause", err)
		case listening:
			log.Info("stopped")
		}
	}()
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		log.Info("memory", "go_limit_bytes", limit)
	}
	for _, w := range cfg.Warnings {
		log.Warn("configuration", "warning", w)
	}
	if err := cfg.EnsureDevSecrets(); err != nil {
		return err
	}
	measure, err := telemetry.Start(ctx, telemetry.Options{
		Version: version, Metrics: cfg.PrivateAddress != "", TrustedProxies: cfg.TrustedProxies, Log: log, Lost: lost,
	})
	if err != nil {
		return err
	}
	defer func() {
		if err := measure.Close(); err != nil {
			log.Warn("the last traces were not exported", "cause", err)
		}
	}()
	g, err := open(ctx, cfg, log, platform.Options{Telemetry: measure, Create: migratesOnStart(cfg)})
	if err != nil {
		return err
	}
	defer g.DB.Close()
	if err := g.Rules.CheckFile(); err != nil {
		return err
	}
	if err := g.app.Prepare(ctx); err != nil {
		return err
	}
	if cfg.DatabaseURL.IsSQLite() {
		log.Info("database", "file", absolute(cfg.DatabaseURL.File()), "new", g.DB.Created())
	}
	private, err := listenPrivately(ctx, cfg.PrivateAddress, log)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)))
	if err != nil {
		return err
	}
	log.Info("listening", "address", listener.Addr().String(), "version", version)
	listening = true
	if err := announce(cmd, g, listener.Addr()); err != nil {
		return err
	}
	go debug.FreeOSMemory() // return the memory that only the start needed
	return g.app.Run(ctx, listener, private)
}

// ignoreSIGPIPE keeps the process alive when the reader of its output exits
// (guildhall | head -1). By default Go ends the process at the next line that it prints
// (os/signal, "SIGPIPE"). Nothing reads the channel, because the write fails as well.
// Windows never sends the signal.
func ignoreSIGPIPE() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// listenPrivately listens on PRIVATE_ADDRESS. It returns nil if none is configured.
func listenPrivately(ctx context.Context, address string, log *slog.Logger) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on PRIVATE_ADDRESS: %w", err)
	}
	log.Info("listening", "private_address", listener.Addr().String())
	return listener, nil
}

// announce prints the addresses and the data directory in development, for a developer who
// just started the service: first of all, where to begin.
func announce(cmd *cobra.Command, g *guildhall, address net.Addr) error {
	cfg := g.Config
	if !cfg.Development() {
		return nil
	}
	out, url := cmd.OutOrStdout(), "http://"+strings.Replace(address.String(), "127.0.0.1", "localhost", 1)
	if cfg.AccountPages {
		start, err := beginning(telemetry.Background(cmd.Context()), g, url)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "\n  %s\n\n", start)
	}
	fmt.Fprintf(out, "Guildhall listens on %s\n", url)
	fmt.Fprintf(out, "Data: %s (secrets beside it in %s)\n", maskedSetting(cfg, "DATABASE_URL"), cfg.DataDir)
	if cfg.Debug {
		fmt.Fprintf(out, "Documentation: %s/docs and %s/redoc\n", url, url)
	}
	return nil
}

// beginning says which page to open: the one that creates the first account, or the log-in.
func beginning(ctx context.Context, g *guildhall, url string) (string, error) {
	for _, err := range g.users.CommandLine().All(ctx, uuid.NullUUID{}) {
		return "Log in: " + url + "/account", err // there is an account
	}
	link, err := g.auth.CommandLine().SetUpLink(ctx, url)
	return "Create the first account: " + link, err
}

func maskedSetting(cfg *config.Config, name string) string {
	for _, s := range cfg.Masked() {
		if s.Name == name {
			return s.Value
		}
	}
	return ""
}
