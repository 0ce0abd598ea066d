// SPDX-License-Identifier: LGPL-2.1-or-later

package replicant

import (
	"context"
	"runtime"

	"github.com/libreplicant/libreplicant/go/internal/creplicant"
)

// A Pool is where volumes live, as it was when it was listed.
//
// C: lsm_pool_id_get, lsm_pool_name_get, lsm_pool_system_id_get, lsm_pool_total_space_get,
// lsm_pool_free_space_get, lsm_pool_status_get, lsm_pool_status_info_get,
// lsm_pool_element_type_get, lsm_pool_unsupported_actions_get, lsm_pool_record_free.
type Pool struct {
	ID          string
	Name        string
	SystemID    string
	TotalSpace  int64 // bytes
	FreeSpace   int64 // bytes that are neither used nor reserved
	Status      PoolStatus
	StatusInfo  string
	ElementType PoolElementType
	Unsupported PoolUnsupported

	record *record[creplicant.Pool]
}

func newPool(h creplicant.Pool) *Pool {
	return &Pool{
		ID:          creplicant.Pool_id_get(h),
		Name:        creplicant.Pool_name_get(h),
		SystemID:    creplicant.Pool_system_id_get(h),
		TotalSpace:  signed(creplicant.Pool_total_space_get(h)),
		FreeSpace:   signed(creplicant.Pool_free_space_get(h)),
		Status:      PoolStatus(creplicant.Pool_status_get(h)),
		StatusInfo:  creplicant.Pool_status_info_get(h),
		ElementType: PoolElementType(creplicant.Pool_element_type_get(h)),
		Unsupported: PoolUnsupported(creplicant.Pool_unsupported_actions_get(h)),
		record:      keep(h, creplicant.Pool_record_free),
	}
}

// Pools lists pools: all, or those that every search finds.
//
// C: lsm_pool_list.
func (c *Conn) Pools(ctx context.Context, searches ...Search) ([]*Pool, error) {
	return listed(searches, func(p *Pool) string { return p.ID }, func(s Search) ([]*Pool, error) {
		var records []creplicant.Pool
		err := c.do(ctx, func(h creplicant.Connect) error {
			return creplicant.Pool_list(h, s.Key, s.Value, &records)
		})
		return each(records, newPool), err
	})
}

// Pool finds a pool by its id or its name. "" is the one that there is or, of several, the one
// named "default".
func (c *Conn) Pool(ctx context.Context, nameOrID string) (*Pool, error) {
	pools, err := c.Pools(ctx)
	if err != nil {
		return nil, err
	}
	name := nameOrID
	if name == "" {
		if len(pools) == 1 {
			return pools[0], nil
		}
		name = "default"
	}
	for _, is := range []func(*Pool) bool{
		func(p *Pool) bool { return p.ID == name },
		func(p *Pool) bool { return p.Name == name },
	} {
		for _, p := range pools {
			if is(p) {
				return p, nil
			}
		}
	}
	e := refusal(CodeNotFoundPool, name, "no pool is named %q, or has that id", name)
	if nameOrID == "" {
		e.Hint = "say which pool"
	}
	return nil, e
}

// CreatePoolOptions are wishes about a pool.
type CreatePoolOptions struct {
	Directory string // an empty directory for it, given in full; "": a new one in the root
	Limit     int64  // bytes that its volumes may take together; 0: what the file system has
}

// CreatePool makes an empty pool. Its name is 1 to 64 characters of A–Z, a–z, 0–9, '.', '_' and
// '-', without a leading dot.
//
// C: lsm_pool_create.
func (c *Conn) CreatePool(ctx context.Context, name string, opts *CreatePoolOptions) (*Pool, error) {
	if opts == nil {
		opts = &CreatePoolOptions{}
	}
	limit, err := unsigned("the limit", opts.Limit)
	if err != nil {
		return nil, err
	}
	var made creplicant.Pool
	err = c.do(ctx, func(h creplicant.Connect) error {
		return creplicant.Pool_create(h, name, opts.Directory, limit, &made)
	})
	if err != nil {
		return nil, err
	}
	return newPool(made), nil
}

// DeletePool deletes a pool that has no volumes.
//
// C: lsm_pool_delete.
func (c *Conn) DeletePool(ctx context.Context, pool *Pool) error {
	if pool == nil {
		return invalid("no pool was given")
	}
	return c.do(ctx, func(h creplicant.Connect) error {
		err := creplicant.Pool_delete(h, pool.record.get())
		runtime.KeepAlive(pool.record)
		return err
	})
}

// CheckPool reads all of a pool through, while it is used, and finds what is damaged. The job's
// Wait returns an error that is ErrDamaged if something is: it names the first file, and says how
// many there are. A pool has one check at a time: while one is under way it is that one's Job.
//
// C: lsm_pool_check.
func (c *Conn) CheckPool(ctx context.Context, pool *Pool) (*Job, error) {
	if pool == nil {
		return nil, invalid("no pool was given")
	}
	var job string
	err := c.do(ctx, func(h creplicant.Connect) error {
		err := creplicant.Pool_check(h, pool.record.get(), &job)
		runtime.KeepAlive(pool.record)
		return err
	})
	if err != nil {
		return nil, err
	}
	return c.job(ctx, job), nil
}
