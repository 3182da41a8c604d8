package moving

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"

	"guildhall/platform/field"
)

// known are the people whose passwords the operator knows.
type known map[key]*knownPassword

type knownPassword struct {
	line            int64
	email, password string
	person          *person
}

// known reads the file of known passwords: lines of JSON, or a CSV file, with email and password.
func (im *importing) known() (known, error) {
	if im.options.Verify == nil {
		return nil, nil
	}
	all := known{}
	add := func(line int64, email, password string) error {
		var e field.Email
		if e.UnmarshalText([]byte(email)) != nil || password == "" {
			return fmt.Errorf("line %d has no email address or no password", line)
		}
		all[emailKey(e)] = &knownPassword{line: line, email: string(e), password: password}
		return nil
	}
	in, err := im.options.Verify.Unpacked()
	if err == nil {
		err = readKnown(in, add)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", im.options.Verify.Name, err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: it is empty", im.options.Verify.Name)
	}
	return all, nil
}

func readKnown(in *bufio.Reader, add func(line int64, email, password string) error) error {
	if first, _ := in.Peek(1); string(first) == "{" {
		lines := bufio.NewScanner(in)
		for n := int64(1); lines.Scan(); n++ {
			var pair struct {
				Email    string `json:"email"`
				Password string `json:"password"`
			}
			if len(strings.TrimSpace(lines.Text())) == 0 {
				continue
			}
			if json.Unmarshal(lines.Bytes(), &pair, json.RejectUnknownMembers(true)) != nil {
				return fmt.Errorf("line %d is no JSON object of email and password", n) // the error may have the password
			}
			if err := add(n, pair.Email, pair.Password); err != nil {
				return err
			}
		}
		return lines.Err()
	}
	table := csv.NewReader(in)
	table.FieldsPerRecord = 2
	for n := int64(1); ; n++ {
		pair, err := table.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case n == 1 && (pair[0] != "email" || pair[1] != "password"):
			return errors.New("the first line must be: email,password")
		case n == 1:
			continue
		}
		line, _ := table.FieldPos(0)
		if err := add(int64(line), pair[0], pair[1]); err != nil {
			return err
		}
	}
}

// meet keeps the row of a person whose password is known.
func (k known) meet(p *person) {
	if x := k[p.key]; x != nil {
		x.person = p
	}
}

// verify tries the known passwords, before anything is written.
func (k known) verify(ctx context.Context, im *importing) error {
	var wrong []error
	for _, x := range k {
		switch err := x.check(ctx, im); {
		case err == nil:
			im.summary.Verified++
		case ctx.Err() != nil:
			return ctx.Err()
		default:
			wrong = append(wrong, fmt.Errorf("%s, line %d: %s %w", im.options.Verify.Name, x.line, x.email, err))
		}
	}
	return errors.Join(wrong...)
}

func (x *knownPassword) check(ctx context.Context, im *importing) error {
	if x.person == nil {
		return errors.New("is nobody whom the import accepts")
	}
	where := fmt.Sprintf("%s, line %d", x.person.source.Name, x.person.line)
	if x.person.hash == "" {
		return fmt.Errorf("has no password hash in %s", where)
	}
	stored, err := im.Stored(x.person.hash, x.person.salt)
	if err != nil {
		return fmt.Errorf("has a password hash in %s that %w", where, reasonOf(err))
	}
	matches, err := im.Matches(ctx, stored, x.password)
	if err != nil {
		return fmt.Errorf("could not be checked: %w", err)
	}
	if !matches { // mutant: verify-passwords
		return fmt.Errorf("has another password, or the hash in %s was read in the wrong way", where)
	}
	return nil
}
