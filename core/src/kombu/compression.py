import gzip
def compress(body, content_type): 
    return gzip.compress(body.encode() if isinstance(body,str) else body), 'application/x-gzip'
def decompress(body, ct): return gzip.decompress(body)
