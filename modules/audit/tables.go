package audit

import "guildhall/platform/schema"

// Tables implements module.Module: the events are platform/audit's.
func (*Module) Tables() []schema.Table { return nil }
