package telemetry

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// LostLines counts the log lines that could not be written because the reader is gone
// or the disk is full. When a line can be written again, a warning with the number of
// lost lines follows it.
type LostLines struct {
	to          slog.Handler
	all, unsaid atomic.Uint64
}

// Handler returns a handler that counts the lines that another one fails to write.
func (l *LostLines) Handler(to slog.Handler) slog.Handler {
	l.to = to
	return lossy{to, l}
}

// Count returns how many lines were lost since the start. It returns 0 for a nil
// LostLines.
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

// found logs how many lines are missing before the one that was just written.
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
