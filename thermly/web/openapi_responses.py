"""The rows of responses and conversations in the table of operations.

Knows: their paths and types. Must not know: any surface's prefix, statuses and bounds.
"""

from typing import Annotated, Literal

from msgspec import Meta

from thermly.dialects import responses_answers as answers
from thermly.dialects import responses_types as types
from thermly.errors import InsufficientFunds, InvalidRequest, NotFound, RateLimited, TooLarge
from thermly.web import openapi_samples as samples
from thermly.web.openapi_schemas import response_bounds
from thermly.web.openapi_terms import ESCALATED, FRESH, JSON, KEYED, MADE, SSE, Answer, Operation, Parameter

KEPT = (*KEYED, NotFound)
ASKED = (*KEPT, InvalidRequest)
WRITTEN = (*ASKED, TooLarge)
ID = Parameter("response_id", "path", "The response's id.")
INCLUDE = Parameter(
    "include",
    "query",
    "Show what is encrypted too.",
    list[Literal["reasoning.encrypted_content"]],
)
PAGE = (
    Parameter("limit", "query", "How many at most: 20, up to 100.", Annotated[int, Meta(ge=1, le=100)], 10),
    Parameter("order", "query", "The oldest or, as usual, the newest first.", Literal["asc", "desc"], "asc"),
    Parameter("after", "query", "The `last_id` of the page before."),
)
CONVERSATION = Parameter("conversation_id", "path", "The conversation's id.")
ITEM = Parameter("item_id", "path", "The item's id.")
RESPONSES = (
    Operation(
        "responses",
        "post",
        "/responses",
        "createResponse",
        "Make a response",
        (
            Answer(
                {JSON: answers.Response, SSE: answers.ResponseEvent},
                headers=ESCALATED,
                about="The response; with `stream`, its events as server-sent events.",
                tells_errors=True,
            ),
        ),
        (*MADE, NotFound),
        "Any model of any provider. What was said before is named by `previous_response_id` or `conversation`; "
        "the models may change on the way. With `background`, the response is `queued`: ask for it until it has "
        "ended. Fields that are not listed are refused.",
        (types.Body,),
        bounds=response_bounds,
        parameters=(FRESH,),
        counted="chat",
        example={"model": "auto", "input": "Hello!"},
        sample=samples.RESPONSE,
    ),
    Operation(
        "responses",
        "get",
        "/responses/{response_id}",
        "getResponse",
        "Fetch a response",
        (Answer({JSON: answers.Response}),),
        ASKED,
        "Also one that is not finished, failed, or was cancelled.",
        parameters=(ID, INCLUDE),
        sample=samples.GET_RESPONSE,
    ),
    Operation(
        "responses",
        "delete",
        "/responses/{response_id}",
        "deleteResponse",
        "Forget a response",
        (Answer({JSON: answers.ResponseDeleted}),),
        KEPT,
        "Nothing can go on from it afterwards. Its items stay in its conversation.",
        parameters=(ID,),
        sample=samples.DELETE_RESPONSE,
    ),
    Operation(
        "responses",
        "post",
        "/responses/{response_id}/cancel",
        "cancelResponse",
        "Stop a response in the background",
        (Answer({JSON: answers.Response}),),
        ASKED,
        "One that has ended, or is not in the background, is refused.",
        parameters=(ID,),
        sample=samples.CANCEL_RESPONSE,
    ),
    Operation(
        "responses",
        "get",
        "/responses/{response_id}/input_items",
        "listInputItems",
        "List what a response answers",
        (Answer({JSON: answers.ItemList}),),
        ASKED,
        "The items of its own request, without those before it.",
        parameters=(ID, INCLUDE, *PAGE),
        sample=samples.INPUT_ITEMS,
    ),
)

CONVERSATIONS = (
    Operation(
        "responses",
        "post",
        "/conversations",
        "createConversation",
        "Begin a conversation",
        (Answer({JSON: answers.Conversation}),),
        (*KEYED, InvalidRequest, TooLarge, InsufficientFunds, RateLimited),
        "Free, for accounts with credit. Responses that name it find what was said, and add what they say.",
        (types.NewConversation,),
        at_root=True,
        counted="chat",
        example={"metadata": {"topic": "greetings"}, "items": [samples.HELLO]},
        sample=samples.CONVERSATION,
    ),
    Operation(
        "responses",
        "get",
        "/conversations/{conversation_id}",
        "getConversation",
        "Look at a conversation",
        (Answer({JSON: answers.Conversation}),),
        KEPT,
        "Its items are asked for apart.",
        at_root=True,
        parameters=(CONVERSATION,),
        sample=samples.GET_CONVERSATION,
    ),
    Operation(
        "responses",
        "post",
        "/conversations/{conversation_id}",
        "updateConversation",
        "Change a conversation's labels",
        (Answer({JSON: answers.Conversation}),),
        (*WRITTEN, RateLimited),
        "They take the place of those that it has.",
        (types.Update,),
        at_root=True,
        counted="chat",
        parameters=(CONVERSATION,),
        example={"metadata": {"topic": "farewells"}},
        sample=samples.UPDATE_CONVERSATION,
    ),
    Operation(
        "responses",
        "delete",
        "/conversations/{conversation_id}",
        "deleteConversation",
        "Forget a conversation",
        (Answer({JSON: answers.ConversationDeleted}),),
        (*KEPT, RateLimited),
        "With its items.",
        at_root=True,
        counted="chat",
        parameters=(CONVERSATION,),
        sample=samples.DELETE_CONVERSATION,
    ),
    Operation(
        "responses",
        "get",
        "/conversations/{conversation_id}/items",
        "listItems",
        "List a conversation's items",
        (Answer({JSON: answers.ItemList}),),
        ASKED,
        "A page of them.",
        at_root=True,
        parameters=(CONVERSATION, *PAGE),
        sample=samples.ITEMS,
    ),
    Operation(
        "responses",
        "post",
        "/conversations/{conversation_id}/items",
        "createItems",
        "Add items to a conversation",
        (Answer({JSON: answers.ItemList}),),
        (*WRITTEN, InsufficientFunds, RateLimited),
        "All of them or none, at its end. Free, for accounts with credit.",
        (types.NewItems,),
        at_root=True,
        counted="chat",
        parameters=(CONVERSATION,),
        example={"items": [samples.HELLO]},
        sample=samples.ADD_ITEMS,
    ),
    Operation(
        "responses",
        "get",
        "/conversations/{conversation_id}/items/{item_id}",
        "getItem",
        "Fetch one item",
        (Answer({JSON: answers.AnyItem}),),
        KEPT,
        "As the list shows it.",
        at_root=True,
        parameters=(CONVERSATION, ITEM),
        sample=samples.ITEM,
    ),
    Operation(
        "responses",
        "delete",
        "/conversations/{conversation_id}/items/{item_id}",
        "deleteItem",
        "Take an item out",
        (Answer({JSON: answers.Conversation}),),
        (*KEPT, RateLimited),
        "Answers what the conversation is then.",
        at_root=True,
        counted="chat",
        parameters=(CONVERSATION, ITEM),
        sample=samples.DELETE_ITEM,
    ),
)
