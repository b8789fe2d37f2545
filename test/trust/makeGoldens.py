"""Makes trust.golden.gz: bundles signed by `model-signing` and repositories signed by python-tuf, each with that library's own verdict.

    python -m venv VENV && VENV/bin/pip install model-signing==1.1.1 pyopenssl tuf==7.0.1
    VENV/bin/python test/trust/makeGoldens.py
"""
import base64, copy, datetime, gzip, hashlib, json, pathlib, sys, tempfile
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
import model_signing
from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import DownloadHTTPError
from tuf.api.metadata import (DelegatedRole, Delegations, Key, Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp)
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
LATER = NOW + datetime.timedelta(days=20000)
PAST = NOW - datetime.timedelta(days=2)

# ---------------------------------------------------------------- OpenSSF Model Signing

def make_key(folder, curve):
    key = ec.generate_private_key(curve)
    private, public = folder / 'key.pem', folder / 'key.pub'
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return key, private, public

FILES = {'config.json': '{}', 'model.gguf': 'weights' * 400, 'adapters/legal.gguf': 'adapter', 'adapters-old': 'x', 'ä.txt': 'ü'}

def write_files(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

def they_accept(files, bundle, public):
    with tempfile.TemporaryDirectory() as name:
        folder, model = pathlib.Path(name), pathlib.Path(name) / 'model'
        model.mkdir()
        write_files(model, files)
        (folder / 'sig').write_text(bundle)
        (folder / 'pub').write_text(public)
        try:
            model_signing.verifying.Config().use_elliptic_key_verifier(public_key=folder / 'pub').verify(model, folder / 'sig')
            return 'accepted'
        except Exception as error:
            return f'{type(error).__name__}: {error}'[:200]

def sign_payload(key, payload, kind='application/vnd.in-toto+json', hint=None, extra=None):
    """A bundle with any payload, signed properly."""
    from cryptography.hazmat.primitives import hashes
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    pae = f'DSSEv1 {len(kind)} {kind} {len(payload)} '.encode() + payload
    signature = key.sign(pae, ec.ECDSA(hashes.SHA256()))
    bundle = {'mediaType': 'application/vnd.dev.sigstore.bundle.v0.3+json',
              'verificationMaterial': {'publicKey': {'hint': hint or hashlib.sha256(public).hexdigest()}, 'tlogEntries': []},
              'dsseEnvelope': {'payload': base64.b64encode(payload).decode(), 'payloadType': kind,
                               'signatures': [{'sig': base64.b64encode(signature).decode(), 'keyid': ''}]}}
    return json.dumps({**bundle, **(extra or {})})

def oms_cases():
    cases = []
    def add(name, files, bundle, public):
        cases.append({'name': name, 'files': files, 'bundle': bundle, 'publicKey': public, 'verdict': they_accept(files, bundle, public)})
    with tempfile.TemporaryDirectory() as name:
        folder, model = pathlib.Path(name), pathlib.Path(name) / 'model'
        model.mkdir()
        write_files(model, FILES)
        for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()):
            key, private, public = make_key(folder, curve)
            model_signing.signing.Config().use_elliptic_key_signer(private_key=private).sign(model, folder / 'sig')
            add(f'files, {curve.name}', FILES, (folder / 'sig').read_text(), public.read_text())
        key, private, public = make_key(folder, ec.SECP256R1())
        pem = public.read_text()
        hashing = model_signing.hashing.Config().use_shard_serialization(shard_size=1000)
        model_signing.signing.Config().use_elliptic_key_signer(private_key=private).set_hashing_config(hashing).sign(model, folder / 'sig')
        add('shards of 1000 bytes', FILES, (folder / 'sig').read_text(), pem)
        hashing = model_signing.hashing.Config().use_file_serialization(hashing_algorithm='sha256', ignore_paths=[pathlib.Path(model / 'adapters')])
        model_signing.signing.Config().use_elliptic_key_signer(private_key=private).set_hashing_config(hashing).sign(model, folder / 'sig')
        add('an ignored folder', FILES, (folder / 'sig').read_text(), pem)
        model_signing.signing.Config().use_elliptic_key_signer(private_key=private).sign(model, folder / 'sig')
        good = (folder / 'sig').read_text()
        bundle = json.loads(good)
        add('as signed', FILES, good, pem)
        add('with files of git', {**FILES, '.gitignore': 'x', '.git/config': 'x'}, good, pem)
        add('a changed file', {**FILES, 'config.json': '{ }'}, good, pem)
        add('one more file', {**FILES, 'extra': ''}, good, pem)
        add('one file less', {k: v for k, v in FILES.items() if k != 'config.json'}, good, pem)
        add('another key', FILES, good, make_key(folder, ec.SECP256R1())[2].read_text())
        def changed(change):
            copied = copy.deepcopy(bundle)
            change(copied)
            return json.dumps(copied)
        def flip(copied):
            signature = bytearray(base64.b64decode(copied['dsseEnvelope']['signatures'][0]['sig']))
            signature[20] ^= 1
            copied['dsseEnvelope']['signatures'][0]['sig'] = base64.b64encode(signature).decode()
        def swap(copied):
            payload = base64.b64decode(copied['dsseEnvelope']['payload']).replace(b'config', b'CONFIG')
            copied['dsseEnvelope']['payload'] = base64.b64encode(payload).decode()
        add('a flipped bit of the signature', FILES, changed(flip), pem)
        add('another payload', FILES, changed(swap), pem)
        add('no envelope', FILES, changed(lambda b: b.pop('dsseEnvelope')), pem)
        add('no verification material', FILES, changed(lambda b: b.pop('verificationMaterial')), pem)
        add('no signature', FILES, changed(lambda b: b['dsseEnvelope'].update(signatures=[])), pem)
        add('no tlogEntries', FILES, changed(lambda b: b['verificationMaterial'].pop('tlogEntries')), pem)
        add('an older form of the key', FILES, changed(lambda b: b['verificationMaterial'].update(publicKey={'rawBytes': 'AAAA', 'keyDetails': 'PKIX_ECDSA_P256_SHA_256'})), pem)
        add('no keyid', FILES, changed(lambda b: b['dsseEnvelope']['signatures'][0].pop('keyid')), pem)
        add('another hint', FILES, changed(lambda b: b['verificationMaterial']['publicKey'].update(hint='00')), pem)
        add('another media type', FILES, changed(lambda b: b.update(mediaType='application/vnd.dev.sigstore.bundle.v0.2+json')), pem)
        add('no JSON', FILES, 'model', pem)
        statement = json.loads(base64.b64decode(bundle['dsseEnvelope']['payload']))
        def resigned(change, **more):
            copied = copy.deepcopy(statement)
            change(copied)
            key_pem = folder / 'key.pem'
            return sign_payload(key, json.dumps(copied).encode(), **more)
        add('signed by hand', FILES, resigned(lambda s: None), pem)
        add('another payload type', FILES, resigned(lambda s: None, kind='application/json'), pem)
        add('another predicate', FILES, resigned(lambda s: s.update(predicateType='https://example.org/x')), pem)
        add('another statement type', FILES, resigned(lambda s: s.update(_type='https://in-toto.io/Statement/v0.1')), pem)
        add('another root digest', FILES, resigned(lambda s: s['subject'][0]['digest'].update(sha256='0' * 64)), pem)
        add('two subjects', FILES, resigned(lambda s: s['subject'].append(s['subject'][0])), pem)
        add('another method', FILES, resigned(lambda s: s['predicate']['serialization'].update(method='blocks')), pem)
        add('no resources', FILES, resigned(lambda s: s['predicate'].update(resources=[])), pem)
        add('further fields of a resource', FILES, resigned(lambda s: s['predicate']['resources'][0].update(uri='x')), pem)
        add('another subject name', FILES, resigned(lambda s: s['subject'][0].update(name='y')), pem)
    return cases

# ---------------------------------------------------------------- The Update Framework

class Repository:
    def __init__(self, signer=CryptoSigner.generate_ecdsa, consistent=True, thresholds=None):
        self.signers = {role: [signer()] for role in ('root', 'timestamp', 'snapshot', 'targets')}
        self.thresholds = thresholds or {}
        for role, count in self.thresholds.items():
            self.signers[role] += [signer() for _ in range(count - 1)]
        self.root = Root(expires=LATER, consistent_snapshot=consistent)
        self.targets, self.snapshot, self.timestamp = Targets(expires=LATER), Snapshot(expires=LATER), Timestamp(expires=LATER)
        self.delegated = {}
        self.files = {}
        for role in self.signers:
            self.use_keys(role)
        self.publish_root()

    def use_keys(self, role):
        for signer in self.signers[role]:
            self.root.add_key(signer.public_key, role)
        self.root.roles[role].threshold = self.thresholds.get(role, 1)

    def rotate(self, role):
        for signer in self.signers[role]:
            self.root.revoke_key(signer.public_key.keyid, role)
        self.signers[role] = [CryptoSigner.generate_ecdsa()]
        self.use_keys(role)

    def text(self, signed, signers):
        md = Metadata(signed)
        for signer in signers:
            md.sign(signer, append=True)
        return md.to_bytes().decode()

    def publish_root(self, signers=None):
        self.files[f'{self.root.version}.root.json'] = self.text(self.root, signers or self.signers['root'])

    def meta(self, text, version, hashes=True):
        data = text.encode()
        return MetaFile(version, len(data), {'sha256': hashlib.sha256(data).hexdigest()}) if hashes else MetaFile(version)

    def publish(self, hashes=True, signers=None, only=None):
        signers = {**self.signers, **(signers or {})}
        prefix = lambda version: f'{version}.' if self.root.consistent_snapshot else ''
        for name, (targets, keys) in self.delegated.items():
            text = self.text(targets, keys)
            self.files[f'{prefix(targets.version)}{name}.json'] = text
            self.snapshot.meta[f'{name}.json'] = self.meta(text, targets.version, hashes)
        text = self.text(self.targets, signers['targets'])
        self.files[f'{prefix(self.targets.version)}targets.json'] = text
        self.snapshot.meta['targets.json'] = self.meta(text, self.targets.version, hashes)
        text = self.text(self.snapshot, signers['snapshot'])
        self.files[f'{prefix(self.snapshot.version)}snapshot.json'] = text
        self.timestamp.snapshot_meta = self.meta(text, self.snapshot.version, hashes)
        self.files['timestamp.json'] = self.text(self.timestamp, signers['timestamp'])
        return self

    def bump(self, *roles):
        for role in roles or ('targets', 'snapshot', 'timestamp'):
            getattr(self, role).version += 1
        return self

    def add(self, path, content='hello', targets=None):
        targets = targets or self.targets
        targets.targets[path] = TargetFile.from_data(path, content.encode(), ['sha256'])
        return self

    def delegate(self, name, paths=None, prefixes=None, terminating=False, parent=None):
        parent = parent or self.targets
        signer = CryptoSigner.generate_ecdsa()
        if parent.delegations is None:
            parent.delegations = Delegations({}, {})
        parent.delegations.roles[name] = DelegatedRole(name, [], 1, terminating, paths, prefixes)
        parent.add_key(signer.public_key, name)
        self.delegated[name] = (Targets(expires=LATER), [signer])
        return self.delegated[name][0]


class DictFetcher(FetcherInterface):
    def __init__(self):
        self.files = {}
    def _fetch(self, url):
        name = url.removeprefix('http://repository/')
        if name not in self.files:
            raise DownloadHTTPError('missing', 404)
        yield self.files[name].encode()


class Scenario:
    """What one client sees, step by step, and what python-tuf says about it."""
    def __init__(self, name, repository):
        self.name, self.repository, self.steps = name, repository, []
        self.root = repository.files['1.root.json']
        self.folder = tempfile.TemporaryDirectory()
        self.fetcher = DictFetcher()

    def step(self, path='latest.json', files=None):
        files = dict(self.repository.files if files is None else files)
        self.fetcher.files = files
        try:
            updater = Updater(self.folder.name, 'http://repository/', fetcher=self.fetcher, bootstrap=self.root.encode())
            updater.refresh()
            target = updater.get_targetinfo(path)
            verdict = target.hashes['sha256'] if target else 'NO_TARGET'
        except Exception as error:
            verdict = f'{type(error).__name__}: {error}'[:200]
        self.steps.append({'path': path, 'files': files, 'verdict': verdict})
        return self

    def json(self):
        return {'name': self.name, 'root': self.root, 'steps': self.steps}


def edit(files, name, change):
    value = json.loads(files[name])
    change(value)
    return {**files, name: json.dumps(value)}


def tuf_scenarios():
    found = []
    def scenario(name, repository=None, **more):
        repository = repository or Repository(**more).add('latest.json').publish()
        found.append(Scenario(name, repository))
        return found[-1], repository

    for name, signer in (('ECDSA P-256', CryptoSigner.generate_ecdsa), ('Ed25519', CryptoSigner.generate_ed25519), ('RSA', CryptoSigner.generate_rsa)):
        s, r = scenario(f'keys of {name}', signer=signer)
        s.step()
        r.bump().add('latest.json', 'second').publish()
        s.step().step().step('absent.json')
    s, r = scenario('without consistent snapshots', consistent=False)
    s.step(); r.bump().add('latest.json', 'second').publish(); s.step()
    s, r = scenario('without hashes in the metadata', repository=Repository().add('latest.json').publish(hashes=False))
    s.step(); r.bump().publish(hashes=False); s.step()
    s, r = scenario('thresholds of two', thresholds={'root': 2, 'targets': 2, 'timestamp': 2})
    s.step()
    r.bump().publish(signers={'targets': r.signers['targets'][:1]}); s.step()
    r.bump().publish(signers={'timestamp': [r.signers['timestamp'][0], CryptoSigner.generate_ecdsa()]}); s.step()
    r.bump().publish(); s.step()
    s, r = scenario('one signature twice, for a threshold of two', thresholds={'timestamp': 2})
    s.step(files=edit(r.files, 'timestamp.json', lambda v: v['signatures'].__setitem__(1, v['signatures'][0])))

    for role in ('timestamp', 'snapshot', 'targets', 'root'):
        s, r = scenario(f'a new key of {role}')
        s.step()
        before = r.signers['root']
        r.rotate(role); r.root.version += 1
        r.publish_root(before + (r.signers['root'] if role == 'root' else []))
        r.bump().publish(); s.step()
        r.root.version += 1; r.publish_root(); r.bump().publish(); s.step()
    s, r = scenario('a new root key that the old one did not sign')
    s.step(); r.rotate('root'); r.root.version += 1; r.publish_root(); s.step()
    s, r = scenario('a new root key that did not sign itself')
    s.step(); before = r.signers['root']; r.rotate('root'); r.root.version += 1; r.publish_root(before); s.step()
    s, r = scenario('a root that skips a version')
    s.step(); r.root.version += 2; r.files['2.root.json'] = r.text(r.root, r.signers['root']); s.step()
    s, r = scenario('an old root in place of the next')
    s.step(); r.files['2.root.json'] = r.files['1.root.json']; s.step()

    s, r = scenario('an older timestamp, and after it one that is older still than the trusted')
    first = dict(r.files); r.bump('timestamp').publish(); second = dict(r.files); r.bump('timestamp').publish()
    s.step(files=r.files).step(files=first).step(files=second).step(files=r.files)
    s, r = scenario('a newer timestamp with an older snapshot')
    r.bump().publish(); s.step(); r.snapshot.version -= 1; r.bump('timestamp').publish(); s.step()
    s, r = scenario('a newer snapshot with older targets')
    r.bump().publish(); s.step(); r.targets.version -= 1; r.bump('snapshot', 'timestamp').publish(); s.step()
    s, r = scenario('a newer snapshot without targets')
    s.step(); r.bump('snapshot', 'timestamp').publish()
    del r.snapshot.meta['targets.json']; text = r.text(r.snapshot, r.signers['snapshot']); r.files[f'{r.snapshot.version}.snapshot.json'] = text
    r.timestamp.snapshot_meta = r.meta(text, r.snapshot.version); r.files['timestamp.json'] = r.text(r.timestamp, r.signers['timestamp']); s.step()
    s, r = scenario('an older delegated role')
    team = r.delegate('team', ['team/*']); r.add('team/x', 'x', team); team.version = 5; r.bump().publish(); s.step('team/x')
    team.version = 4; r.bump().publish(); s.step('team/x')
    s, r = scenario('versions run up by a stolen key, and a new key')
    s.step(); r.timestamp.version = 10000; r.publish(); s.step()
    r.rotate('timestamp'); r.root.version += 1; r.publish_root(); r.timestamp.version = 3; r.publish(); s.step()

    for role in ('timestamp', 'snapshot', 'targets', 'root'):
        s, r = scenario(f'an expired {role}')
        s.step(); getattr(r, role).expires = PAST
        if role == 'root':
            r.root.version += 1; r.publish_root()
        r.bump().publish(); s.step()
    s, r = scenario('an expired root in the middle of the chain')
    r.root.version += 1; r.root.expires = PAST; r.publish_root(); r.root.version += 1; r.root.expires = LATER; r.publish_root(); s.step()

    s, r = scenario('a snapshot of another time')
    old = dict(r.files); r.bump().add('latest.json', 'second').publish()
    s.step(files={**r.files, '2.snapshot.json': old['1.snapshot.json']}).step()
    s, r = scenario('targets of another time')
    old = dict(r.files); r.bump().add('latest.json', 'second').publish()
    s.step(files={**r.files, '2.targets.json': old['1.targets.json']}).step()
    s, r = scenario('targets of another time, without hashes in the metadata', repository=Repository().add('latest.json').publish(hashes=False))
    old = dict(r.files); r.bump().publish(hashes=False)
    s.step(files={**r.files, '2.targets.json': old['1.targets.json']}).step(files={**r.files, '2.snapshot.json': old['1.snapshot.json']}).step()
    s, r = scenario('missing files')
    for name in ('timestamp.json', '1.snapshot.json', '1.targets.json'):
        s.step(files={key: value for key, value in r.files.items() if key != name})
    s.step()

    s, r = scenario('signed by keys of other roles')
    s.step(); r.bump().publish(signers={'timestamp': r.signers['snapshot']}); s.step()
    r.bump().publish(signers={'targets': r.signers['timestamp']}); s.step()
    s, r = scenario('metadata of the wrong kind')
    for name, other in (('timestamp.json', '1.snapshot.json'), ('1.snapshot.json', '1.targets.json'), ('1.targets.json', '1.root.json')):
        s.step(files={**r.files, name: r.files[other]})
    s, r = scenario('damaged metadata')
    for name in ('timestamp.json', '1.snapshot.json', '1.targets.json'):
        s.step(files={**r.files, name: r.files[name][:-30]})
        s.step(files=edit(r.files, name, lambda v: v['signatures'][0].update(sig=v['signatures'][0]['sig'][:-2] + '00')))
        s.step(files=edit(r.files, name, lambda v: v['signed'].update(version=7)))
        s.step(files=edit(r.files, name, lambda v: v.update(signatures=[])))
    for change in ({'spec_version': '2.0.0'}, {'version': 0}, {'version': 1.5}, {'version': '2'}, {'expires': 'tomorrow'}, {'meta': {}}):
        s, r = scenario(f'a signed timestamp with {json.dumps(change)}')
        value = json.loads(r.files['timestamp.json']); value['signed'].update(change)
        from securesystemslib.formats import encode_canonical
        try:
            data = encode_canonical(value['signed']).encode()
        except Exception:
            data = json.dumps(value['signed']).encode()
        value['signatures'] = [r.signers['timestamp'][0].sign(data).to_dict()]
        value['signatures'][0] = {'keyid': value['signatures'][0]['keyid'], 'sig': value['signatures'][0]['sig']}
        s.step(files={**r.files, 'timestamp.json': json.dumps(value)})
    s, r = scenario('fields that nobody knows')
    r.targets.unrecognized_fields['x-custom'] = {'ü "\\ \n': [1, True, None, 'Ā\U0001F600'], '\U0001F600': 1, '\uffee': 2}; r.bump().publish(); s.step()

    s, r = scenario('delegated files')
    team = r.delegate('team', ['team/*', 'a?/[b-d]x', '*/deep/*.gguf']); r.add('team/x', 'x', team); r.add('a1/cx', 'c', team); r.add('latest.json', 'not mine', team)
    r.add('q/deep/m.gguf', 'deep', team); r.add('team/y/z', 'too deep', team)
    half = r.delegate('bin', None, [hashlib.sha256(b'binned').hexdigest()[:4]]); r.add('binned', 'b', half)
    inner = r.delegate('inner', ['team/inner'], parent=team); r.add('team/inner', 'i', inner)
    r.bump().publish()
    for path in ('latest.json', 'team/x', 'a1/cx', 'a1/ex', 'q/deep/m.gguf', 'team/y/z', 'binned', 'team/inner', 'nothing'):
        s.step(path)
    s, r = scenario('a terminating delegation')
    one = r.delegate('one', ['files/*'], terminating=True); two = r.delegate('two', ['files/*']); r.add('files/x', 'two', two); r.bump().publish()
    s.step('files/x')
    s, r = scenario('delegations in their order')
    one = r.delegate('one', ['files/*']); two = r.delegate('two', ['files/*']); r.add('files/x', 'one', one); r.add('files/x', 'two', two); r.bump().publish()
    s.step('files/x')
    s, r = scenario('a delegated role signed by another')
    one = r.delegate('one', ['files/*']); r.add('files/x', 'one', one); two = r.delegate('two', ['x/*'])
    r.delegated['one'] = (one, r.delegated['two'][1]); r.bump().publish(); s.step('files/x').step('latest.json')
    s, r = scenario('delegations in a circle')
    one = r.delegate('one', ['files/*']); two = r.delegate('two', ['files/*'], parent=one)
    two.delegations = Delegations({}, {}); two.delegations.roles['one'] = DelegatedRole('one', [], 1, False, ['files/*']); two.add_key(r.delegated['one'][1][0].public_key, 'one')
    r.bump().publish(); s.step('files/x')
    return [each.json() for each in found]


golden = {'made': NOW.isoformat(), 'oms': oms_cases(), 'tuf': tuf_scenarios()}
path = pathlib.Path(__file__).parent / 'trust.golden.gz'
path.write_bytes(gzip.compress(json.dumps(golden, ensure_ascii=False).encode(), 9, mtime=0))
print(path, path.stat().st_size, 'bytes')
for case in golden['oms']:
    print('oms:', case['name'], '->', case['verdict'])
for each in golden['tuf']:
    print('tuf:', each['name'], '->', [step['verdict'][:60] for step in each['steps']])
