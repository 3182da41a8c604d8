// Package recent provides a bounded map that keeps the most recently used entries.
package recent

import "sync"

// Map has two generations of entries. When the current one is full, it becomes the
// previous one, and the entries of the old previous one are dropped. Finding an entry
// moves it to the current generation. A Map is safe for concurrent use.
type Map[K comparable, V any] struct {
	most int

	mu         sync.Mutex
	young, old map[K]V
}

// New returns a map with at most the given number of entries in each generation.
func New[K comparable, V any](most int) *Map[K, V] { return &Map[K, V]{most: most} }

// Find returns the value of a key.
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

// Keep sets the value of a key.
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
