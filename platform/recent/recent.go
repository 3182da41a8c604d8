// Package recent remembers what was used of late, and no more than so much.
package recent

import "sync"

// Map keeps the entries that were used since it last filled up, and those of the
// time before; the rest is forgotten. It is safe for concurrent use.
type Map[K comparable, V any] struct {
	most int

	mu         sync.Mutex
	young, old map[K]V
}

// New returns a map of at most twice so many entries.
func New[K comparable, V any](most int) *Map[K, V] { return &Map[K, V]{most: most} }

// Find returns what was kept last under a key.
func (m *Map[K, V]) Find(key K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, found := m.young[key]
	if found {
		return v, true
	}
	if v, found = m.old[key]; found {
		m.keep(key, v)
	}
	return v, found
}

// Keep puts something under a key, in the place of what is there.
func (m *Map[K, V]) Keep(key K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keep(key, v)
}

func (m *Map[K, V]) keep(key K, v V) {
	if len(m.young) >= m.most {
		m.old, m.young = m.young, nil
	}
	if m.young == nil {
		m.young = map[K]V{}
	}
	m.young[key] = v
}
