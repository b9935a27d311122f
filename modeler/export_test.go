package modeler

// LimitScans makes a few rows be read as many are.
func (m *Modeler) LimitScans(places int, sessions int64) { m.limits = scanLimits{places, sessions} }
