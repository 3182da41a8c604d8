package database

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// statementLog tells slog of statements, without the values bound to them.
type statementLog struct {
	log *slog.Logger
	on  func(ctx context.Context, sql string)
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

// ParamsFilter keeps values out of the text that Trace is given.
func (l *statementLog) ParamsFilter(_ context.Context, sql string, _ ...any) (string, []any) {
	return sql, nil
}

func (l *statementLog) Trace(ctx context.Context, begin time.Time, statement func() (string, int64), err error) {
	if l.on != nil {
		text, _ := statement()
		l.on(ctx, text)
	}
	if !l.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	text, rows := statement()
	attrs := []slog.Attr{
		slog.String("sql", text), slog.Int64("rows", rows),
		slog.Float64("duration_ms", float64(time.Since(begin).Microseconds())/1000),
	}
	if err != nil && !errors.Is(err, gorm.ErrRecordNotFound) {
		attrs = append(attrs, slog.Any("cause", err))
	}
	l.log.LogAttrs(ctx, slog.LevelDebug, "statement", attrs...)
}
