package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"

	"github.com/rs/zerolog"

	"claude-analytics/internal/config"
	"claude-analytics/internal/mask"
	"claude-analytics/modeler"
	"claude-analytics/sink"
	"claude-analytics/sink/bronze"
	"claude-analytics/sink/lake"
	"claude-analytics/verify"
)

// offlineStatus is what lies in the stream and in DATA_DIR while no service runs here. A warehouse that cannot be read is a fault
// in the report.
func offlineStatus(ctx context.Context, cfg config.Loaded, log zerolog.Logger) (statusReport, error) {
	report := statusReport{Version: version, Command: "none", Mode: "offline", DataDir: cfg.DataDir, ReportTZ: cfg.ReportTZ, NATSURL: mask.URLs(cfg.NATSURL)}
	switch err := report.readStream(ctx, cfg, log); {
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		// A server must be started to look at it, which writes. What else is there can be looked at.
		report.Faults = append(report.Faults, "stream: not looked at, since DATA_DIR cannot be written: "+err.Error())
	case err != nil:
		return report, err
	}
	if _, err := os.Stat(cfg.WarehousePath()); err != nil {
		return report, nil //nolint:nilerr // there is none yet
	}
	if err := report.readWarehouse(ctx, cfg, log); err != nil {
		report.Faults = append(report.Faults, "warehouse: "+err.Error())
	}
	return report, nil
}

func (r *statusReport) readStream(ctx context.Context, cfg config.Loaded, log zerolog.Logger) (err error) {
	if cfg.NATSURL == "" {
		if _, err := os.Stat(cfg.StreamDir()); err != nil {
			r.Faults = append(r.Faults, "there is no stream in "+cfg.DataDir+" yet: run `claude-analytics up`")
			return nil
		}
	}
	s := newService(cfg, roles{command: "status"}, log)
	r.Started = s.started
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.open(ctx, serviceOptions{}); err != nil {
		return err
	}
	state, err := s.conn.State(ctx)
	r.Stream = &state
	return err
}

// readWarehouse tells how far the warehouse and the models in it have come.
func (r *statusReport) readWarehouse(ctx context.Context, cfg config.Loaded, log zerolog.Logger) (err error) {
	db := readOnly(cfg, log)
	if err := db.Open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	table := bronze.New(bronze.Config{}, db, log)
	if files, err := table.LeftOut(ctx); err == nil && files > 0 {
		r.Faults = append(r.Faults, leftOutText(files)+": "+leftOutRemedy)
	}
	mark, found, err := table.Watermark(ctx)
	if err != nil {
		return err
	}
	if found {
		at := sink.DestinationStatus{Epoch: mark.Epoch, Seq: mark.Seq, Seen: mark.Seen, Lag: -1, LastAt: mark.AppliedAt}
		if r.Stream != nil && lake.Stream(r.Stream.Identity).Equal(lake.Stream{Name: mark.Stream, Created: mark.Created}) {
			at.Lag = max(at.Lag, int64(r.Stream.LastSeq)-int64(mark.Seen))
		}
		r.Sink = &sink.Status{State: sink.StateStopped, Epoch: mark.Epoch, Warehouse: at}
	}
	models, err := modeler.Recorded(ctx, db)
	if err != nil {
		return err
	}
	r.Models = &models
	last, found, err := verify.Last(ctx, db)
	if err != nil {
		return err
	}
	if found {
		r.Verify = &verifyStatus{Last: &last}
	}
	return nil
}
