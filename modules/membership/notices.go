package membership

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"guildhall/platform/access"
	"guildhall/platform/database"
	"guildhall/platform/mail"
)

// noticeLifetime is how long a mail about a membership may be sent late.
const noticeLifetime = 72 * time.Hour

// recipient is a person whom a mail tells about their membership, and what it says.
type recipient struct{ email, locale, name, organization, actor string }

// announce tells people about their membership by mail, within the caller's transaction, if
// the service can send mail. People who acted on themselves are not told.
func (svc *Service) announce(ctx context.Context, kind mail.Kind, organizationID uuid.UUID, role access.Role, ids ...uuid.UUID) error {
	if !svc.mail.Configured() || len(ids) == 0 {
		return nil
	}
	list, err := svc.store.recipients(ctx, organizationID, access.From(ctx).By(), ids)
	if err != nil {
		return err
	}
	now := svc.now()
	for _, r := range list {
		err := svc.mail.Send(ctx, mail.Mail{To: r.email, Kind: kind, Locale: r.locale, NotAfter: now.Add(noticeLifetime), Data: mail.Data{
			Name: r.name, Organization: r.organization, Actor: r.actor, Role: role.String(), At: now,
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// announceToFormerOwner tells the former owner, with a link for one whose account was used by
// somebody else.
func (svc *Service) announceToFormerOwner(ctx context.Context, organizationID, former uuid.UUID) error {
	if !svc.mail.Configured() {
		return nil
	}
	list, err := svc.store.recipients(ctx, organizationID, access.From(ctx).By(), []uuid.UUID{former})
	if err != nil || len(list) == 0 {
		return err
	}
	return svc.notify(ctx, former, mail.OwnershipTransferred, mail.Data{Organization: list[0].organization, Actor: list[0].actor, Role: access.Admin.String()})
}

func (s *store) recipients(ctx context.Context, organizationID uuid.UUID, actor uuid.NullUUID, ids []uuid.UUID) ([]recipient, error) {
	rows, err := s.db.Conn(ctx).Raw(`SELECT u.email, COALESCE(u.locale, ''), p.name, o.name, COALESCE(a.name, '') FROM users u
		JOIN user_profile p ON p.user_id = u.id
		JOIN organizations o ON o.id = ?
		LEFT JOIN user_profile a ON a.user_id = ?
		WHERE u.id IN ?`, organizationID, actor, ids).Rows()
	if err != nil {
		return nil, fmt.Errorf("find the recipients of a notice: %w", err)
	}
	return database.Collect(rows, func(scan func(...any) error) (r recipient, err error) {
		return r, scan(&r.email, &r.locale, &r.name, &r.organization, &r.actor)
	})
}
