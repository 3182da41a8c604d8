package organization

import (
	"guildhall/platform/schema"
	"guildhall/platform/schema/column"
)

const asHistory = "forever, as the history of the organization's standing"

// Tables implements module.Module.
func (*Module) Tables() []schema.Table {
	return []schema.Table{{
		Name: "organizations", Owner: schema.OfOrganization("id"), Standing: schema.Added("terms_at"), Tenants: schema.Isolated(),
		Archive: schema.Exported(schema.Line{Type: "organization", Columns: []column.Column{
			column.Written("name", 1, 255), column.Past("created_at"), column.Past("updated_at"),
		}}).Omitting("terms_at", "external_id", "mfa", "mfa_from", "mfa_before"), // a worker stores the terms; an external id is unique on one server only; the factors that the policy asks for stay behind
		Erasure: schema.Blanked("UPDATE organizations SET name = '" + schema.Erased + "', external_id = NULL, updated_at = " + schema.Moment + ", terms_at = NULL WHERE id IN (" + schema.OwnOrganizations + ")"),
		Copy: schema.Copied("organizations", "id IN (SELECT m.organization_id FROM organization_members m WHERE m.user_id = "+schema.Person+")", "id", "name", "created_at").
			Omitting("it is about the organization, not about the person", "updated_at", "terms_at", "external_id", "mfa", "mfa_from", "mfa_before"),
		Retention:  schema.Kept("forever: an organization is archived, never deleted"),
		Sample:     schema.Sampled(sampleOrganizations),
		Invariants: schema.Require(termsInvariant()),
	}, {
		Name: "organization_terms", Owner: schema.OfOrganization("organization_id"), Standing: schema.Unread(), Tenants: schema.Isolated(),
		Archive:    schema.NotExported("it follows from the name in the archive"),
		Erasure:    schema.RowsGo("organization_terms", "organization_id IN ("+schema.OwnOrganizations+")"),
		Copy:       schema.NotCopied("they are the words of the organization's name"),
		Retention:  schema.Kept("until the name changes"),
		Sample:     schema.Sampled(sampleTerms),
		Invariants: schema.ByConstraints(),
	}, {
		// Only one span is open at a time, so an INSERT without an UPDATE is for a new
		// organization.
		Name: "organization_active_status", Owner: schema.OfOrganization("organization_id"), Standing: schema.Added(), Tenants: schema.Isolated(),
		Archive: schema.Exported(schema.Line{Type: "organization_active_status", Key: "id", Columns: []column.Column{
			column.ID("id"), column.Past("activated_at"), column.Person("activated_by").OrNull(),
			column.Past("deactivated_at").OrNull(), column.Person("deactivated_by").OrNull(),
		}}),
		Erasure:   schema.Remains("it has only ids and times"),
		Copy:      schema.NotCopied("it is about the organization, not about a person"),
		Retention: schema.Kept(asHistory),
		Sample:    schema.Sampled(sampleStandings),
		Invariants: schema.Require(
			schema.OneOpen("I4 one open span of an organization's activity", "organization_active_status", "deactivated_at", "organization_id"),
			schema.WholeEnd("I13 who ended an organization's activity is known with when", "organization_active_status", "deactivated_at", "deactivated_by"),
		),
	}, {
		Name: "organization_suspensions", Owner: schema.OfOrganization("organization_id"), Standing: schema.Decides(), Tenants: schema.Isolated(),
		Archive: schema.Exported(schema.Line{Type: "organization_suspension", Key: "id", Columns: []column.Column{
			column.ID("id"), column.Written("reason", 1, 1000), column.Flag("by_operator"), column.Past("suspended_at"), column.Person("suspended_by").OrNull(),
			column.Moment("suspended_until").OrNull(), column.Past("lifted_at").OrNull(), column.Person("lifted_by").OrNull(),
		}}),
		Erasure:   schema.Blanked("UPDATE organization_suspensions SET reason = '" + schema.Erased + "' WHERE organization_id IN (" + schema.OwnOrganizations + ")"),
		Copy:      schema.NotCopied("it is about the organization, not about a person"),
		Retention: schema.Kept(asHistory),
		Sample:    schema.NoSample("every organization is in good standing"),
		Invariants: schema.Require(
			schema.OneOpen("I4 one open suspension of an organization", "organization_suspensions", "lifted_at", "organization_id"),
			schema.WholeEnd("I13 who lifted an organization's suspension is known with when", "organization_suspensions", "lifted_at", "lifted_by"),
		),
	}, {
		Name: "organization_archives", Owner: schema.OfOrganization("organization_id"), Standing: schema.Decides(), Tenants: schema.Isolated(),
		Archive: schema.Exported(schema.Line{Type: "organization_archive", Key: "id", Columns: []column.Column{
			column.ID("id"), column.Written("reason", 1, 1000), column.Past("archived_at"), column.Person("archived_by").OrNull(),
			column.Past("restored_at").OrNull(), column.Person("restored_by").OrNull(), column.Written("restore_reason", 1, 1000).OrNull(),
		}}),
		Erasure:   schema.Blanked("UPDATE organization_archives SET reason = '" + schema.Erased + "', restore_reason = CASE WHEN restore_reason IS NOT NULL THEN '" + schema.Erased + "' END WHERE organization_id IN (" + schema.OwnOrganizations + ")"),
		Copy:      schema.NotCopied("it is about the organization, not about a person"),
		Retention: schema.Kept(asHistory),
		Sample:    schema.NoSample("every organization is in good standing"),
		Invariants: schema.Require(
			schema.OneOpen("I4 one open archive of an organization", "organization_archives", "restored_at", "organization_id"),
			schema.WholeEnd("I13 who restored an organization, and why, is known with when", "organization_archives", "restored_at", "restored_by", "restore_reason"),
		),
	}}
}

// Invariants implements module.Checker.
func (*Module) Invariants() []schema.Invariant {
	return []schema.Invariant{{
		Name:  "I5 an organization has a standing",
		Query: `SELECT o.id FROM organizations o WHERE NOT EXISTS (SELECT 1 FROM organization_active_status a WHERE a.organization_id = o.id)`,
	}, {
		Name: "I10 an archived organization is not active",
		Query: `SELECT x.organization_id FROM organization_archives x
			JOIN organization_active_status a ON a.organization_id = x.organization_id AND a.deactivated_at IS NULL WHERE x.restored_at IS NULL`,
	}}
}
