//! One call of either era: down the road and back.

use sekimori_mcp::revision::Era;
use sekimori_mcp::translate;

use super::Face;
use super::operation::Asked;
use super::reply::{self, Done};
use super::rewrite::Rewrite;
use crate::call::call;
use crate::request::{Answer, CallRequest, Cause, ClientFeatures, ClientPort, Head};

/// Makes the call and puts its answer into the client's words.
pub(super) async fn answer(
    face: &Face,
    head: Head,
    asked: Asked,
    features: ClientFeatures,
    rewrite: &Rewrite,
    port: &mut dyn ClientPort,
) -> Done {
    let era = features.era;
    let correlation = head.correlation.clone();
    let operation = asked.operation.clone();
    let client = features.clone();
    let request = CallRequest {
        head,
        operation: asked.operation,
        arguments: asked.arguments,
        mirrored: asked.mirrored,
        rest: asked.rest,
        client: features,
        cause: Cause::Client,
    };
    // On the heap: it is large, and the futures around it would copy it.
    let replied = Box::pin(call(&face.gateway, request, port)).await;
    let method = operation.method();
    match replied.answer {
        Answer::Result(result) => {
            let mut rewrite = rewrite.clone();
            let known = replied.connector.as_ref();
            if let Some(entry) = known.and_then(|name| face.gateway.catalog.entry(name).ok()) {
                rewrite.concerns(&entry.connector);
            }
            let result = rewrite.result(method, result);
            Done::result(match era {
                Era::Modern => reply::modernize(result, &operation, &face.server),
                Era::Legacy => reply::antiquate(result, method),
            })
        }
        Answer::Error(error) => {
            let error = match era {
                Era::Modern => translate::error_to_modern(method, &error),
                Era::Legacy => translate::error_to_legacy(method, &error),
            };
            Done::error(error)
        }
        Answer::Refused(refusal) => Done::call_refused(&refusal, &correlation, &operation, &client),
    }
}
