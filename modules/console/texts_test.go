package console

import (
	"regexp"
	"testing"

	"guildhall/platform/platformtest"
	"guildhall/platform/web"
)

func TestEveryPageIsParsed(t *testing.T) {
	if err := web.Check(files); err != nil {
		t.Error(err)
	}
}

func TestEveryTextIsThereAndUsed(t *testing.T) {
	platformtest.CheckTexts(t, files, web.Locales, regexp.MustCompile(`^(act|ask|done|explain|nav|policy|sort|span|standing|state|status|verdict)_|_explained$`))
}
