package telemetry

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// LostLines counts the lines of a log that could not be written: its reader is gone,
// or the disk is full. When a line can be written again, the log says how many.
type LostLines struct {
	to          slog.Handler
	all, unsaid atomic.Uint64
}

// Handler counts what is lost on the way to another.
func (l *LostLines) Handler(to slog.Handler) slog.Handler {
	l.to = to
	return lossy{to, l}
}

// Count is how many were lost since the start; a nil LostLines has lost none.
func (l *LostLines) Count() uint64 {
	if l == nil {
		return 0
	}
	return l.all.Load()
}

func (l *LostLines) lose(err error) error {
	l.all.Add(1)
	l.unsaid.Add(1)
	return err
}

// found says how many lines are missing before the one that was just written.
func (l *LostLines) found(ctx context.Context) {
	if l.unsaid.Load() == 0 {
		return
	}
	n := l.unsaid.Swap(0)
	line := slog.NewRecord(time.Now(), slog.LevelWarn, "lines of the log could not be written", 0)
	line.AddAttrs(slog.Uint64("lost", n))
	if n > 0 && l.to.Handle(ctx, line) != nil {
		l.unsaid.Add(n)
	}
}

type lossy struct {
	slog.Handler
	lost *LostLines
}

func (h lossy) Handle(ctx context.Context, line slog.Record) error {
	if err := h.Handler.Handle(ctx, line); err != nil {
		return h.lost.lose(err)
	}
	h.lost.found(ctx)
	return nil
}

func (h lossy) WithAttrs(attrs []slog.Attr) slog.Handler {
	return lossy{h.Handler.WithAttrs(attrs), h.lost}
}

func (h lossy) WithGroup(name string) slog.Handler { return lossy{h.Handler.WithGroup(name), h.lost} }
