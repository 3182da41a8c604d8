package database

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

func (d *DB) openPostgres(dsn string) error {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return fmt.Errorf("DATABASE_URL is not a PostgreSQL URL: %w", redact(err, d.options.URL))
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	config.RuntimeParams["timezone"] = "UTC"
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "guildhall"
	}
	if d.options.TransactionPooling {
		poolTransactions(config)
	}
	connector := stdlib.GetConnector(*config)
	if d.options.RowSecurity {
		connector = guardedConnector{connector}
	}
	d.writePool = sql.OpenDB(connector)
	most := max(d.options.MaxConnections, 2)
	d.writePool.SetMaxOpenConns(most)
	d.writePool.SetMaxIdleConns(most)
	d.writePool.SetConnMaxIdleTime(5 * time.Minute)
	d.writePool.SetConnMaxLifetime(time.Hour)
	d.readPool = d.writePool
	d.writer, err = gorm.Open(postgres.New(postgres.Config{Conn: d.writePool}), d.gormConfig())
	if err != nil {
		return fmt.Errorf("open PostgreSQL: %w", redact(err, d.options.URL))
	}
	d.reader, d.bulk = d.writer, d.writer
	return nil
}

// reconnect lets go of the connections that nobody uses at the moment, so that
// the next ones are made to whichever server takes writes by then.
func (d *DB) reconnect() {
	d.writePool.SetMaxIdleConns(0)
	d.writePool.SetMaxIdleConns(max(d.options.MaxConnections, 2))
}
