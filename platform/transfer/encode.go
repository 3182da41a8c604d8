package transfer

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// rows writes the results of a query, one line per row.
func (x *export) rows(ctx context.Context, s *shape, query string, args ...any) error {
	rows, err := x.db.Conn(ctx).Raw(query, args...).Rows()
	if err != nil {
		return fmt.Errorf("read %s lines: %w", s.Type, err)
	}
	defer rows.Close()
	cells, into := make([]cell, len(s.Columns)), make([]any, len(s.Columns))
	for i := range cells {
		into[i] = &cells[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("read %s lines: %w", s.Type, err)
		}
		values := make([]any, len(cells))
		for i := range cells {
			values[i] = cells[i].value
		}
		if err := x.write(s, values...); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read %s lines: %w", s.Type, err)
	}
	return nil
}

var _ sql.Scanner = (*cell)(nil)

// cell is a value of either database in its JSON form.
type cell struct{ value any }

// Scan implements sql.Scanner.
func (c *cell) Scan(v any) error {
	switch v := v.(type) {
	case time.Time:
		c.value = v.UTC().Format(time.RFC3339Nano)
	case []byte:
		c.value = string(v)
	default:
		c.value = v
	}
	return nil
}

func (x *export) write(s *shape, values ...any) error {
	line, err := s.encode(values)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Type, err)
	}
	if _, err := x.take(line); err != nil {
		return fmt.Errorf("the %s %v could not be imported: %w", s.Type, values[0], err)
	}
	_, err = x.to.Write(append(line, '\n'))
	return err
}

// encode returns the line of a row: a JSON object with its members in the order of the
// columns.
func (s *shape) encode(values []any) ([]byte, error) {
	line := append([]byte(`{"type":"`), s.Type+`"`...)
	if s.Optional {
		line = append(line, `,"optional":true`...)
	}
	for i, c := range s.Columns {
		line = append(line, `,"`+c.Name+`":`...)
		var err error
		switch v := values[i].(type) {
		case nil:
			line = append(line, "null"...)
		case bool:
			line = fmt.Appendf(line, "%t", v)
		case int64:
			line = fmt.Appendf(line, "%d", v)
		case string:
			line, err = jsontext.AppendQuote(line, v)
		default:
			err = fmt.Errorf("%T can't be a value in a line", v)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return append(line, '}'), nil
}
