//! Reports usage to FlowFabric's own backend for SQLite or Postgres, from several callers at once.
//!
//! The backend is made and called as a program that depends on the crate would: its constructor's defaults (for SQLite a
//! pool of four connections, WAL), and `report_usage` with an idempotency key. A few reports of each caller go to a budget
//! that is not counted: connections are opened and statements prepared by then. It says that it is ready and waits for a line, then prints one JSON object; the latency of each
//! report goes to a file, as doubles in microseconds.

use std::fs::File;
use std::io::{BufWriter, Write, stdin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ff_backend_postgres::{PostgresBackend, apply_migrations};
use ff_backend_sqlite::SqliteBackend;
use ff_core::backend::{BackendTag, Handle, HandleKind, HandleOpaque, UsageDimensions};
use ff_core::contracts::{CreateBudgetArgs, ReportUsageResult};
use ff_core::engine_backend::EngineBackend;
use ff_core::partition::PartitionConfig;
use ff_core::types::{BudgetId, TimestampMs};

const DIMENSION: &str = "tokens";
const AMOUNT: u64 = 1;
const WARM_REPORTS: u64 = 20;

type Failure = Box<dyn std::error::Error + Send + Sync>;

struct Options {
    store: String,
    callers: usize,
    budgets: usize,
    limit: u64,
    seconds: f64,
    reports: u64, // 0: until the seconds are over
    keys: u64,    // 0: each report has a key of its own
    latencies: String,
}

impl Options {
    fn read() -> Option<Self> {
        let mut words = std::env::args().skip(1);
        let mut next = || words.next();
        let options = Self {
            store: next()?,
            callers: next()?.parse().ok()?,
            budgets: next()?.parse().ok()?,
            limit: next()?.parse().ok()?,
            seconds: next()?.parse().ok()?,
            reports: next()?.parse().ok()?,
            keys: next()?.parse().ok()?,
            latencies: next()?,
        };
        next().is_none().then_some(options)
    }
}

/// What one caller saw.
#[derive(Default)]
struct Tally {
    accepted: u64,
    refused: u64,
    replayed: u64,
    failed: u64,
    latency_us: Vec<f64>,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.replayed += other.replayed;
        self.failed += other.failed;
        self.latency_us.extend(other.latency_us);
    }
}

/// What a caller's reports are made of.
struct Plan {
    prefix: &'static str,
    budgets: Vec<BudgetId>,
    seconds: f64,
    reports: u64, // 0: until the seconds are over
    keys: u64,    // 0: each report has a key of its own
}

struct Run {
    backend: Arc<dyn EngineBackend>,
    handle: Handle, // the budget functions take one and never look at it
    plan: Plan,
    next: AtomicU64,
    began: Instant,
}

async fn open(options: &Options) -> Result<(Arc<dyn EngineBackend>, BackendTag), Failure> {
    if !options.store.starts_with("postgres:") {
        return Ok((SqliteBackend::new(&options.store).await?, BackendTag::Sqlite));
    }
    let pool = sqlx::postgres::PgPoolOptions::new()
        .max_connections(options.callers as u32 + 1) // one listens
        .connect(&options.store)
        .await?;
    apply_migrations(&pool).await?;
    Ok((PostgresBackend::from_pool(pool, PartitionConfig::default()), BackendTag::Postgres))
}

async fn create_budgets(backend: &dyn EngineBackend, count: usize, limit: u64) -> Result<Vec<BudgetId>, Failure> {
    let mut budgets = Vec::new();
    for _ in 0..count {
        let id = BudgetId::new();
        backend
            .create_budget(CreateBudgetArgs {
                budget_id: id.clone(),
                scope_type: String::new(),
                scope_id: String::new(),
                enforcement_mode: "strict".into(),
                on_hard_limit: "reject".into(),
                on_soft_limit: "warn".into(),
                reset_interval_ms: 0,
                dimensions: vec![DIMENSION.into()],
                hard_limits: vec![limit],
                soft_limits: vec![0],
                now: TimestampMs::now(),
            })
            .await?;
        budgets.push(id);
    }
    Ok(budgets)
}

impl Run {
    /// The number of the next report, while there is one to send.
    fn take(&self) -> Option<u64> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let more = match self.plan.reports {
            0 => self.began.elapsed() < Duration::from_secs_f64(self.plan.seconds),
            reports => number < reports,
        };
        more.then_some(number)
    }

    async fn call(&self) -> Tally {
        let mut tally = Tally::default();
        while let Some(number) = self.take() {
            let key = if self.plan.keys > 0 { number % self.plan.keys } else { number };
            let mut usage = UsageDimensions::new().with_dedup_key(format!("{}-{key:020}", self.plan.prefix));
            usage.custom.insert(DIMENSION.into(), AMOUNT);
            let budget = &self.plan.budgets[(key % self.plan.budgets.len() as u64) as usize];
            let began = Instant::now();
            let answer = self.backend.report_usage(&self.handle, budget, usage).await;
            tally.latency_us.push(began.elapsed().as_secs_f64() * 1e6);
            match answer {
                Ok(ReportUsageResult::Ok | ReportUsageResult::SoftBreach { .. }) => tally.accepted += 1,
                Ok(ReportUsageResult::HardBreach { .. }) => tally.refused += 1,
                Ok(_) => tally.replayed += 1,
                Err(error) => {
                    if tally.failed == 0 {
                        eprintln!("flowfabric: {error}");
                    }
                    tally.failed += 1;
                }
            }
        }
        tally
    }

    async fn usage(&self) -> Result<u64, Failure> {
        let mut sum = 0;
        for budget in &self.plan.budgets {
            sum += self.backend.get_budget_status(budget).await?.usage.get(DIMENSION).copied().unwrap_or(0);
        }
        Ok(sum)
    }
}

/// All callers to their end: the run, what they saw, and how long it took.
async fn call_all(
    backend: &Arc<dyn EngineBackend>,
    tag: BackendTag,
    callers: usize,
    plan: Plan,
) -> Result<(Arc<Run>, Tally, f64), Failure> {
    let handle = Handle::new(tag, HandleKind::Fresh, HandleOpaque::new(Box::new([])));
    let run = Arc::new(Run { backend: backend.clone(), handle, plan, next: AtomicU64::new(0), began: Instant::now() });
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let run = run.clone();
            tokio::spawn(async move { run.call().await })
        })
        .collect();
    let mut total = Tally::default();
    for task in tasks {
        total.add(task.await?);
    }
    let seconds = run.began.elapsed().as_secs_f64();
    Ok((run, total, seconds))
}

fn wait_for_line() -> Result<(), Failure> {
    println!("ready");
    stdin().read_line(&mut String::new())?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let Some(options) = Options::read() else {
        eprintln!("usage: flowfabric-peer STORE CALLERS BUDGETS LIMIT SECONDS REPORTS KEYS LATENCIES");
        std::process::exit(2);
    };
    let (backend, tag) = open(&options).await?;
    let warm = Plan {
        prefix: "warm",
        budgets: create_budgets(&*backend, 1, 0).await?,
        seconds: 0.0,
        reports: WARM_REPORTS * options.callers as u64,
        keys: 0,
    };
    call_all(&backend, tag, options.callers, warm).await?;
    let plan = Plan {
        prefix: "key",
        budgets: create_budgets(&*backend, options.budgets, options.limit).await?,
        seconds: options.seconds,
        reports: options.reports,
        keys: options.keys,
    };
    wait_for_line()?;
    let (run, total, seconds) = call_all(&backend, tag, options.callers, plan).await?;

    let mut file = BufWriter::new(File::create(&options.latencies)?);
    for latency_us in &total.latency_us {
        file.write_all(&latency_us.to_ne_bytes())?;
    }
    file.flush()?;
    println!(
        "{{\"seconds\":{seconds:.6},\"accepted\":{},\"refused\":{},\"replayed\":{},\"failed\":{},\"usage\":{}}}",
        total.accepted,
        total.refused,
        total.replayed,
        total.failed,
        run.usage().await?
    );
    Ok(())
}
