package telemetry_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"guildhall/platform/telemetry"
)

// pipe is a log whose reader can be attached and detached.
type pipe struct {
	bytes.Buffer
	broken bool
}

func (p *pipe) Write(b []byte) (int, error) {
	if p.broken {
		return 0, errors.New("broken pipe")
	}
	return p.Buffer.Write(b)
}

func TestLostLinesAreCountedAndReported(t *testing.T) {
	t.Parallel()
	var to pipe
	var lost telemetry.LostLines
	log := slog.New(lost.Handler(slog.NewTextHandler(&to, nil)))
	for range 2 {
		log.Info("before")
		to.broken = true
		for range 3 {
			log.With("a", 1).WithGroup("g").Info("during")
		}
		to.broken = false
		log.With("a", 1).Info("after")
		log.Info("later")
		if lines := to.String(); strings.Count(lines, "\n") != 4 || strings.Count(lines, `level=WARN msg="lines of the log could not be written" lost=3`+"\n") != 1 {
			t.Errorf("the log has\n%s", lines)
		}
		to.Reset()
	}
	if lost.Count() != 6 || (*telemetry.LostLines)(nil).Count() != 0 {
		t.Errorf("%d are counted", lost.Count())
	}
}
