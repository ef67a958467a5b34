// The bytes that an engine's sessions take.
export const bytes = {
  redis: (client) => async () => {
    const info = await client.info("memory");
    return Number(/used_memory:(\d+)/.exec(info)[1]);
  },
  postgres: (pool, table) => async () => {
    const { rows } = await pool.query("SELECT pg_total_relation_size($1::regclass) AS n", [table]);
    return Number(rows[0].n);
  },
};
