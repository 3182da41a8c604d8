package telemetry

import (
	"context"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/shirou/gopsutil/v4/disk"

	"guildhall/platform/database"
	"guildhall/platform/password"
	"guildhall/platform/revocation"
)

func watchPools(r *prometheus.Registry, db *database.DB) {
	for _, pool := range db.Pools() {
		r.MustRegister(collectors.NewDBStatsCollector(pool.DB, pool.Name))
	}
}

func watchWrites(r *prometheus.Registry, db *database.DB) {
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Subsystem: "database", Name: "refuses_writes",
		Help: "1 while writes fail because the disk is full or read-only, else 0.",
	}, func() float64 {
		if db.RefusesWrites() {
			return 1
		}
		return 0
	}))
}

func watchStandbys(r *prometheus.Registry, db *database.DB) {
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Subsystem: "database", Name: name, Help: help},
			func() float64 { return float64(value()) })
	}
	r.MustRegister(
		gauge("standbys", "Standbys that are configured.", func() int { all, _ := db.Standbys(); return all }),
		gauge("standbys_in_use", "Standbys that serve reads at present.", func() int { _, in := db.Standbys(); return in }),
	)
}

func watchHasher(r *prometheus.Registry, hasher *password.Hasher) {
	r.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "password_hashes_running", Help: "Hashes being computed.",
		}, func() float64 { return float64(hasher.Stats().Running) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "password_hashes_waiting", Help: "Requests that wait for their turn to hash.",
		}, func() float64 { return float64(hasher.Stats().Waiting) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: namespace, Name: "password_hashes_rejected_total", Help: "Requests refused because too many waited to hash.",
		}, func() float64 { return float64(hasher.Stats().Rejected) }),
	)
}

func watchRevocations(r *prometheus.Registry, f *revocation.Feed) {
	r.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: "revocation", Name: "readers_waiting", Help: "Requests that wait for revocations.",
		}, func() float64 { return float64(f.Stats().Waiting) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: "revocation", Name: "marks", Help: "Revocations in memory: those that still matter, if anybody has read them.",
		}, func() float64 { return float64(f.Stats().Marks) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: "revocation", Name: "lag_seconds", Help: "Time since this process last looked for revocations of others, 0 if no reader wants it to.",
		}, func() float64 { return f.Stats().Lag.Seconds() }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "revocation", Name: "poll_failures_total", Help: "Failures to read the revocations of other processes.",
		}, func() float64 { return float64(f.Stats().Failures) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: "revocation", Name: "readers_refused_total", Help: "Requests refused because too many waited for revocations.",
		}, func() float64 { return float64(f.Stats().Refused) }),
	)
}

func watchBackups(r *prometheus.Registry, newest func() time.Time, failures func() int64, interval time.Duration) {
	r.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "backup_newest_timestamp_seconds", Help: "When the newest scheduled backup was started, 0 if none exists.",
		}, func() float64 { return float64(max(0, newest().Unix())) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: namespace, Name: "backup_failures_total", Help: "Scheduled backups that this process could not make, or that were not sound.",
		}, func() float64 { return float64(failures()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "backup_interval_seconds", Help: "Interval of scheduled backups.",
		}, interval.Seconds),
	)
}

// files collects the sizes of SQLite's files, and of the file system, at each scrape.
type files struct {
	db                               *database.DB
	database, free, wal, checkpoints *prometheus.Desc
	disk, diskFree                   *prometheus.Desc
}

func newFiles(db *database.DB) *files {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "sqlite", name), help, nil, nil)
	}
	return &files{
		db:          db,
		database:    describe("database_bytes", "Size of the database's file."),
		free:        describe("free_bytes", "Unused space in that file."),
		wal:         describe("wal_bytes", "Size of the write-ahead log's file, which grows while a checkpoint can't finish."),
		checkpoints: describe("checkpoints_total", "Checkpoints after which the log was restarted, since it was created."),
		disk:        describe("disk_bytes", "Size of the file system that the database's file is on."),
		diskFree:    describe("disk_free_bytes", "Free space of that file system."),
	}
}

// Describe implements prometheus.Collector.
func (f *files) Describe(to chan<- *prometheus.Desc) {
	to <- f.database
	to <- f.free
	to <- f.wal
	to <- f.checkpoints
	to <- f.disk
	to <- f.diskFree
}

// mailQueue collects the state of the mail queue at each scrape.
type mailQueue struct {
	state           func(context.Context) (pending int64, oldest time.Duration, err error)
	pending, oldest *prometheus.Desc
}

func newMailQueue(state func(context.Context) (int64, time.Duration, error)) *mailQueue {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "mail", name), help, nil, nil)
	}
	return &mailQueue{
		state:   state,
		pending: describe("pending", "Mails that wait to be sent."),
		oldest:  describe("oldest_pending_seconds", "Age of the oldest of them, 0 if none waits."),
	}
}

// Describe implements prometheus.Collector.
func (q *mailQueue) Describe(to chan<- *prometheus.Desc) {
	to <- q.pending
	to <- q.oldest
}

// Collect implements prometheus.Collector.
func (q *mailQueue) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	pending, oldest, err := q.state(ctx)
	if err != nil {
		return // the rest of the scrape is still useful
	}
	to <- prometheus.MustNewConstMetric(q.pending, prometheus.GaugeValue, float64(pending))
	to <- prometheus.MustNewConstMetric(q.oldest, prometheus.GaugeValue, oldest.Seconds())
}

// lookTimeout is how long a scrape waits while all connections are in use.
const lookTimeout = time.Second

// Collect implements prometheus.Collector.
func (f *files) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
	defer cancel()
	if space, err := disk.UsageWithContext(ctx, filepath.Dir(f.db.Path())); err == nil {
		to <- prometheus.MustNewConstMetric(f.disk, prometheus.GaugeValue, float64(space.Total))
		to <- prometheus.MustNewConstMetric(f.diskFree, prometheus.GaugeValue, float64(space.Free))
	}
	s, err := f.db.Files(ctx)
	if err != nil {
		return // the rest of the scrape is still useful
	}
	to <- prometheus.MustNewConstMetric(f.database, prometheus.GaugeValue, float64(s.Database))
	to <- prometheus.MustNewConstMetric(f.free, prometheus.GaugeValue, float64(s.Free))
	to <- prometheus.MustNewConstMetric(f.wal, prometheus.GaugeValue, float64(s.WAL))
	to <- prometheus.MustNewConstMetric(f.checkpoints, prometheus.CounterValue, float64(s.Checkpoints))
}
