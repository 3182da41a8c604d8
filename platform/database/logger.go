package database

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// statementLog reports statements, gorm's and hand-written ones, to slog and to the
// observer, without the values bound to them.
type statementLog struct {
	driver   Driver
	log      *slog.Logger
	on       func(ctx context.Context, sql string)
	observer Observer
}

func (l *statementLog) LogMode(logger.LogLevel) logger.Interface { return l }

func (l *statementLog) Info(ctx context.Context, text string, _ ...any) {
	l.log.DebugContext(ctx, text)
}

func (l *statementLog) Warn(ctx context.Context, text string, _ ...any) {
	l.log.DebugContext(ctx, text)
}

func (l *statementLog) Error(ctx context.Context, text string, _ ...any) {
	l.log.DebugContext(ctx, text)
}

// Trace implements gorm's logger.
func (l *statementLog) Trace(ctx context.Context, began time.Time, statement func() (string, int64), err error) {
	if !l.listens(ctx) {
		return
	}
	text, _ := statement()
	if errors.Is(err, gorm.ErrRecordNotFound) {
		err = nil
	}
	l.tell(ctx, began, text, err)
}

func (l *statementLog) listens(ctx context.Context) bool {
	return l.on != nil || l.observer != nil || l.log.Enabled(ctx, slog.LevelDebug)
}

func (l *statementLog) tell(ctx context.Context, began time.Time, text string, err error) {
	if !l.listens(ctx) {
		return
	}
	if l.on != nil {
		l.on(ctx, text)
	}
	if l.observer != nil {
		l.observer.Statement(ctx, l.driver, text, began, err)
	}
	if !l.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := []slog.Attr{
		slog.String("sql", text), slog.Float64("duration_ms", float64(time.Since(began).Microseconds())/1000),
	}
	if err != nil {
		attrs = append(attrs, slog.Any("cause", err))
	}
	l.log.LogAttrs(ctx, slog.LevelDebug, "statement", attrs...)
}
