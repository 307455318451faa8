//! Skeleton: a Worker and one Durable Object class named `Document`.
use worker::*;

#[event(fetch)]
async fn fetch(req: Request, env: Env, _ctx: Context) -> Result<Response> {
    let stub = env.durable_object("DOCUMENT")?.get_by_name(&req.path())?;
    stub.fetch_with_request(req).await
}

/// One document.
#[durable_object]
pub struct Document {
    state: State,
}

impl DurableObject for Document {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }
    async fn fetch(&self, req: Request) -> Result<Response> {
        Response::ok(format!("{} {}", req.path(), self.state.storage().sql().database_size()))
    }
    async fn alarm(&self) -> Result<Response> { Response::ok("") }
    async fn websocket_message(&self, _: WebSocket, _: WebSocketIncomingMessage) -> Result<()> { Ok(()) }
    async fn websocket_close(&self, _: WebSocket, _: usize, _: String, _: bool) -> Result<()> { Ok(()) }
    async fn websocket_error(&self, _: WebSocket, _: Error) -> Result<()> { Ok(()) }
    async fn connect(&self, _: Socket) -> Result<()> { Ok(()) }
}
