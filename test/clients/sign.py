# Signs requests with clients of others, in the environment that requirements.txt describes. Reads a list of requests from
# standard input and writes the list of the signed ones to standard output, both as JSON. Called by
# test/helpers/clients/packages.ts; has no code of its own that signs.

import json
import sys

import requests
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms
from requests_http_signature import HTTPSignatureAuth


class OneKey(HTTPSignatureKeyResolver):
    def __init__(self, key):
        self.key = key

    def resolve_private_key(self, key_id):
        return self.key

    def resolve_public_key(self, key_id):
        return self.key


def written(asked, auth=None):
    body = asked["body"]
    return requests.Request(
        asked["method"],
        asked["url"],
        headers=asked["headers"],
        data=None if body is None else body.encode(),
        auth=auth,
    ).prepare()


def http_message_signatures(asked):
    request = written(asked)
    signer = HTTPMessageSigner(
        signature_algorithm=getattr(algorithms, asked["algorithm"]), key_resolver=OneKey(asked["key"].encode())
    )
    signer.sign(
        request,
        key_id=asked["keyId"],
        covered_component_ids=asked["components"],
        body=request.body if asked["body"] else None,
    )
    return request


def requests_http_signature(asked):
    return written(
        asked,
        HTTPSignatureAuth(
            signature_algorithm=getattr(algorithms, asked["algorithm"]),
            key=asked["key"].encode(),
            key_id=asked["keyId"],
            covered_component_ids=asked["components"],
            use_nonce=True,
        ),
    )


def botocore(asked):
    request = AWSRequest(
        method=asked["method"], url=asked["url"], data=asked["body"], headers=dict(asked["headers"])
    )
    kind = {"header": SigV4Auth, "s3": S3SigV4Auth, "s3-link": S3SigV4QueryAuth}[asked["kind"]]
    credentials = Credentials(asked["keyId"], asked["key"], asked.get("token"))
    kind(credentials, asked["service"], asked["region"]).add_auth(request)
    return request.prepare()


CLIENTS = {
    "http-message-signatures": http_message_signatures,
    "requests-http-signature": requests_http_signature,
    "botocore": botocore,
}


def text(value):
    return value.decode() if isinstance(value, bytes) else value


signed = [CLIENTS[asked["client"]](asked) for asked in json.load(sys.stdin)]
json.dump(
    [
        {"url": one.url, "headers": {name: text(value) for name, value in one.headers.items()}}
        for one in signed
    ],
    sys.stdout,
)
