package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
	dto "github.com/prometheus/client_model/go"
	"go.yaml.in/yaml/v3"
)

// expressions returns the expressions of the dashboard and the alert rules, by their
// place.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	read := func(name string) []byte {
		content, err := os.ReadFile(filepath.Join("..", "..", "configs", name))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(read("grafana-dashboard.json"), &board); err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Record, Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(read("prometheus-rules.yaml"), &rules); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, panel := range board.Panels {
		for i, target := range panel.Targets {
			all[fmt.Sprintf("panel %s, %d", panel.Title, i)] = strings.ReplaceAll(target.Expr, "$__rate_interval", "5m")
		}
	}
	for _, group := range rules.Groups {
		for _, r := range group.Rules {
			all["rule "+r.Record+r.Alert] = r.Expr
		}
	}
	return all
}

// known returns the labels of each metric, by the names of its samples.
type known map[string]map[string]bool

func (k known) learn(s scrape) {
	for name, family := range s {
		names := []string{name}
		if family.GetType() == dto.MetricType_HISTOGRAM {
			names = []string{name + "_bucket", name + "_sum", name + "_count"}
		}
		for _, n := range names {
			if k[n] == nil { // what Prometheus adds
				k[n] = map[string]bool{"job": true, "instance": true, "le": strings.HasSuffix(n, "_bucket")}
			}
			for _, m := range family.Metric {
				for _, l := range m.Label {
					k[n][l.GetName()], k[n][l.GetName()+"="+l.GetValue()] = true, true
				}
			}
		}
	}
}

// TestDashboardAndRulesAreAboutRealMetrics compares every name in the dashboard and the
// alert rules with the metrics that the service exposes.
func TestDashboardAndRulesAreAboutRealMetrics(t *testing.T) {
	t.Parallel()
	served := known{
		"up":     {"job": true, "instance": true},
		"ALERTS": {"alertname": true, "alertstate": true, "alertstate=firing": true},
	}
	var mu sync.Mutex
	scrapes := 0
	t.Run("scrape", func(t *testing.T) { // after the subtests on both databases
		withMetrics(t, func(_ *testing.T, p *process, _ answer) {
			scraped := p.scrape()
			mu.Lock()
			defer mu.Unlock()
			served.learn(scraped)
			scrapes++
		})
	})
	if scrapes < 2 && !t.Failed() {
		t.Skip("NOT TESTED: some metrics are there only on PostgreSQL")
	}
	all := expressions(t)
	if len(all) < 40 {
		t.Errorf("only %d expressions", len(all))
	}
	for where := range all {
		if record, is := strings.CutPrefix(where, "rule "); is && strings.Contains(record, ":") {
			served[record] = map[string]bool{"job": true, "route": true}
		}
	}
	asked := map[string]bool{}
	for where, text := range all {
		for _, fault := range served.faults(text, asked) {
			t.Errorf("%s: %s", where, fault)
		}
	}
	for name := range served { // of a histogram, any of the three will do
		family := regexp.MustCompile("_(bucket|sum|count)$").ReplaceAllString(name, "")
		if strings.HasPrefix(name, "guildhall_") && !asked[name] && !asked[family+"_bucket"] && !asked[family+"_count"] {
			t.Errorf("%s is on no panel", name)
		}
	}
}

// faults returns the names in an expression that no metric has.
func (k known) faults(text string, asked map[string]bool) (faults []string) {
	parsed, err := metricsql.Parse(text)
	if err != nil {
		return []string{err.Error()}
	}
	labels := map[string]bool{} // of all metrics in it
	var grouped []string
	metricsql.VisitAll(parsed, func(e metricsql.Expr) {
		switch e := e.(type) {
		case *metricsql.MetricExpr:
			faults = append(faults, k.faultsOf(e, labels, asked)...)
		case *metricsql.AggrFuncExpr:
			grouped = append(grouped, e.Modifier.Args...)
		case *metricsql.BinaryOpExpr:
			grouped = append(append(grouped, e.GroupModifier.Args...), e.JoinModifier.Args...)
		}
	})
	for _, name := range grouped {
		if !labels[name] {
			faults = append(faults, "groups by "+name+", which nothing in it has")
		}
	}
	return faults
}

func (k known) faultsOf(e *metricsql.MetricExpr, labels, asked map[string]bool) (faults []string) {
	open := []string{"status", "code", "policy", "job", "instance"} // their values depend on the environment
	for _, filters := range e.LabelFilterss {
		name := filters[0].Value
		if filters[0].Label != "__name__" || k[name] == nil {
			faults = append(faults, "there is no metric "+name)
			continue
		}
		asked[name] = true
		for l, has := range k[name] {
			labels[l] = labels[l] || has
		}
		for _, f := range filters[1:] {
			switch {
			case !k[name][f.Label]:
				faults = append(faults, name+" has no label "+f.Label)
			case !f.IsRegexp && !slices.Contains(open, f.Label) && !k[name][f.Label+"="+f.Value]:
				faults = append(faults, name+" never has "+f.Label+"="+f.Value)
			}
		}
	}
	return faults
}
