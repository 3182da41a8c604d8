package database

import "strings"

// Ordered is the query for a page of a list, read forward or backward.
type Ordered struct{ forward, backward string }

var (
	forward  = strings.NewReplacer("{>}", ">", "{<}", "<", "{order}", "")
	backward = strings.NewReplacer("{>}", "<", "{<}", ">=", "{order}", " DESC")
)

// InOrder returns the query from a text with these marks: {>} between a key and the position
// where the page begins, {<} between a key and the other end of the list, if it has one, and
// {order} after each key in ORDER BY.
func InOrder(text string) Ordered {
	return Ordered{forward: forward.Replace(text), backward: backward.Replace(text)}
}

// Text returns the query in one direction.
func (o Ordered) Text(back bool) string {
	if back {
		return o.backward
	}
	return o.forward
}
