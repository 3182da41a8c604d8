package audit

import "guildhall/platform/schema"

// Tables implements module.Module. The tables belong to platform/audit.
func (*Module) Tables() []schema.Table { return nil }
