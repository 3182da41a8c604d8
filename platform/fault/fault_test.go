package fault

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"
)

func TestWithMethodsCopyTheError(t *testing.T) {
	declared := New(Conflict, "taken", "It is taken.")
	cause := errors.New("constraint x")
	fields := []Field{{"body.email", Required}}
	occurrence := declared.WithCause(cause).WithFields(fields...).WithRetryAfter(time.Second)
	fields[0].Problem = Null
	if declared.Error() != "taken" || declared.Unwrap() != nil || declared.Fields != nil || declared.RetryAfter != 0 {
		t.Errorf("the declaration became %+v", declared)
	}
	if occurrence.Error() != "taken: constraint x" || !reflect.DeepEqual(occurrence.Fields, []Field{{"body.email", Required}}) ||
		occurrence.RetryAfter != time.Second || occurrence.Kind != Conflict || occurrence.Code != "taken" || occurrence.Detail != declared.Detail {
		t.Errorf("%+v", occurrence)
	}
	if again := occurrence.WithFields(); len(again.Fields) != 0 || len(occurrence.Fields) != 1 || again.Unwrap() == nil {
		t.Errorf("%+v %+v", again, occurrence)
	}
}

func TestIsMatchesEveryOccurrence(t *testing.T) {
	declared := New(Conflict, "taken", "It is taken.")
	cause := errors.New("constraint x")
	for _, occurrence := range []error{declared, declared.WithCause(cause), declared.WithFields(Field{}), fmt.Errorf("create: %w", declared.WithCause(cause)), New(Conflict, "taken", "Another sentence.")} {
		if !errors.Is(occurrence, declared) {
			t.Errorf("%v is not the refusal", occurrence)
		}
	}
	for _, other := range []error{nil, cause, New(Forbidden, "taken", "It is taken."), New(Conflict, "given", "It is taken."), errors.New("taken")} {
		if errors.Is(declared, other) || errors.Is(other, declared) {
			t.Errorf("%v is taken for the refusal", other)
		}
	}
	if !errors.Is(declared.WithCause(cause), cause) || errors.Is(declared, cause) {
		t.Error("the cause is not found where it is, or where it is not")
	}
	// Also if the cause is another fault.
	inner := New(NotFound, "gone", "It is gone.")
	if outer := declared.WithCause(inner); !errors.Is(outer, inner) || !errors.Is(outer, declared) || errors.Is(inner, outer) {
		t.Error("a refusal caused by another is both, and the other is not it")
	}
}
